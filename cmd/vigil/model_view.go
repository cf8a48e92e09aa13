package main

import (
	"time"

	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// modelView is a model as JSON.
type modelView struct {
	Name       string          `json:"name"`
	Digest     string          `json:"digest"`
	Mode       string          `json:"mode"`
	Signals    []signalView    `json:"signals"`
	Groups     []groupView     `json:"groups"`
	Ladders    []rungView      `json:"ladders"`
	Classes    []classView     `json:"route_classes,omitempty"`
	PeerGroups []peerGroupView `json:"peer_groups,omitempty"`
	Rules      []ruleView      `json:"rules,omitempty"`
	Models     []ensembleView  `json:"models,omitempty"`
	Exceptions []exceptionView `json:"exceptions,omitempty"`
}

type signalView struct {
	Signal  string  `json:"signal"`
	Group   string  `json:"group"`
	On      bool    `json:"on"`
	Weight  float64 `json:"weight"`
	Max     float64 `json:"max"`
	Clip    float64 `json:"clip"`
	Ceiling string  `json:"ceiling"`
}

type groupView struct {
	Group  string  `json:"group"`
	Weight float64 `json:"weight"`
	Clip   float64 `json:"clip"`
	// Rent is in nats a block.
	Rent float64 `json:"rent"`
}

type rungView struct {
	Kind string `json:"kind"`
	// Temperature is that of the kind's ladder.
	Temperature float64  `json:"temperature"`
	Action      string   `json:"action"`
	Threshold   float64  `json:"threshold"`
	For         string   `json:"for"`
	Budget      float64  `json:"budget"`
	Groups      []string `json:"groups,omitempty"`
}

type classView struct {
	ID        string             `json:"id"`
	Routes    []string           `json:"routes,omitempty"`
	Templates []string           `json:"templates,omitempty"`
	Weights   map[string]float64 `json:"weights"`
}

type ruleView struct {
	ruleCost

	Group      string   `json:"group"`
	Expression string   `json:"expression"`
	Nats       string   `json:"nats"`
	Text       string   `json:"text"`
	Ceiling    string   `json:"ceiling"`
	Technique  string   `json:"technique,omitempty"`
	Owner      string   `json:"owner"`
	Kinds      []string `json:"kinds,omitempty"`
}

type exceptionView struct {
	ID      string    `json:"id"`
	Now     string    `json:"now"`
	Owner   string    `json:"owner"`
	Reason  string    `json:"reason"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	For     string    `json:"for"`
	Signals []string  `json:"signals,omitempty"`
}

func viewOf(m *model.Model, costs []ruleCost, now time.Time) modelView {
	v := modelView{Name: m.Name, Digest: m.Digest(), Mode: m.Mode, PeerGroups: peerGroupViews(m), Models: ensembleViews(m)}
	for i, s := range m.Signals {
		d := evidence.Signal(i).Describe()
		v.Signals = append(v.Signals, signalView{d.ID, d.Group.String(), s.On, s.Weight, s.Max, m.Clips[d.Group], s.Ceiling})
	}
	for i, clip := range m.Clips {
		v.Groups = append(v.Groups, groupView{evidence.Group(i).String(), m.GroupWeights[i], clip, m.Rents[i]})
	}
	for _, l := range m.Ladders {
		for _, g := range l.Rungs {
			r := rungView{Kind: l.Kind, Temperature: m.Temperature(l.Kind), Action: g.Action, Threshold: g.Threshold, For: g.For.String(), Budget: m.Budget(l.Kind, g.Action)}
			for _, group := range g.Groups {
				r.Groups = append(r.Groups, group.String())
			}
			v.Ladders = append(v.Ladders, r)
		}
	}
	for i := range m.RouteClasses {
		c := &m.RouteClasses[i]
		one := classView{ID: c.ID, Routes: c.Routes, Templates: c.Templates, Weights: make(map[string]float64)}
		for _, w := range c.Own {
			one.Weights[w.Signal.Describe().ID] = w.Weight
		}
		v.Classes = append(v.Classes, one)
	}
	for i, r := range m.Rules {
		v.Rules = append(v.Rules, ruleView{
			ruleCost: costs[i], Group: r.Group.String(), Expression: r.Expression, Nats: r.Nats, Text: r.Text,
			Ceiling: r.Ceiling, Technique: r.Technique, Owner: r.Owner, Kinds: r.Kinds,
		})
	}
	for i := range m.Exceptions {
		x := &m.Exceptions[i]
		v.Exceptions = append(v.Exceptions, exceptionView{x.ID, exceptionState(x, now), x.Owner, x.Reason, x.From, x.Until, exceptionFor(x), x.Signals})
	}
	return v
}
