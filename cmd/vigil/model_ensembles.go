package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/vigil-gateway/vigil/scorer/ensemble"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// ensembleView is a user's model as JSON, with what it costs for one event on
// this machine.
type ensembleView struct {
	Model       string           `json:"model"`
	Group       string           `json:"group"`
	Library     string           `json:"library"`
	File        string           `json:"file"`
	Digest      string           `json:"digest"`
	Trees       int              `json:"trees"`
	Features    []ensembleColumn `json:"features"`
	Points      []ensemble.Point `json:"points,omitempty"`
	Max         float64          `json:"max"`
	Weight      float64          `json:"weight"`
	Ceiling     string           `json:"ceiling"`
	Text        string           `json:"text"`
	Technique   string           `json:"technique,omitempty"`
	Owner       string           `json:"owner"`
	Kinds       []string         `json:"kinds,omitempty"`
	NS          int64            `json:"ns"`
	Allocations int              `json:"allocations"`
}

// ensembleColumn is a feature of the file, and what it is here.
type ensembleColumn struct {
	Name string `json:"name"`
	From string `json:"from"`
}

// ensembleViews measures each of a model's ensembles on an event that has every
// field.
func ensembleViews(m *model.Model) []ensembleView {
	views := make([]ensembleView, 0, len(m.Ensembles))
	in := sampleInput()
	for _, e := range m.Ensembles {
		v := ensembleView{
			Model: e.ID, Group: e.Group.String(), Library: e.Library(), File: e.File, Digest: e.Digest(), Trees: e.Trees(), Points: e.Points,
			Max: e.Max, Weight: e.Weight, Ceiling: e.Ceiling, Text: e.Text, Technique: e.Technique, Owner: e.Owner, Kinds: e.Kinds,
		}
		for _, f := range e.Offered() {
			v.Features = append(v.Features, ensembleColumn(f))
		}
		row := make([]float64, e.Columns())
		v.NS, v.Allocations = measure(func() {
			e.Row(in.Context, row)
			e.Margin(row)
		})
		views = append(views, v)
	}
	return views
}

func showEnsembles(p printer, views []ensembleView) error {
	if len(views) == 0 {
		return nil
	}
	sayln(p.w)
	var rows [][]string
	for i := range views {
		v := &views[i]
		rows = append(rows, []string{v.Model, v.Group, v.Library, strconv.Itoa(v.Trees), number(v.Weight), number(v.Max), v.Ceiling, fmt.Sprintf("%d ns", v.NS), strconv.Itoa(v.Allocations)})
	}
	err := p.table([]string{"MODEL", "GROUP", "LIBRARY", "TREES", "WEIGHT", "MAX", "CEILING", "TIME", "ALLOCS"}, rows)
	if err != nil {
		return err
	}
	for i := range views {
		v := &views[i]
		say(p.w, "\n%s: %s\n  file   %s\n", v.Model, clean(v.Text), clean(v.File))
		say(p.w, "  sees   %s\n  nats   %s\n  owner  %s\n", columnsOf(v.Features), pointsOf(v.Points), clean(v.Owner))
		if len(v.Kinds) > 0 {
			say(p.w, "  kinds  %s\n", strings.Join(v.Kinds, ", "))
		}
	}
	return nil
}

// columnsOf says what an ensemble sees, by our names and, where the file has
// others, those of the file.
func columnsOf(features []ensembleColumn) string {
	parts := make([]string, len(features))
	for i, f := range features {
		parts[i] = f.From
		if f.Name != f.From {
			parts[i] += " as " + clean(f.Name)
		}
	}
	return strings.Join(parts, ", ")
}

// pointsOf says how an ensemble's margin becomes nats.
func pointsOf(points []ensemble.Point) string {
	if len(points) == 0 {
		return "by rank among clean requests"
	}
	parts := make([]string, len(points))
	for i, p := range points {
		parts[i] = number(p.Nats) + " at margin " + number(p.Margin)
	}
	return strings.Join(parts, ", ")
}

func (d *differ) ensembles(old, now *model.Model) {
	id := func(e **ensemble.Model) string { return (*e).ID }
	columns := func(e *ensemble.Model) string {
		var list []ensembleColumn
		for _, f := range e.Offered() {
			list = append(list, ensembleColumn(f))
		}
		return columnsOf(list)
	}
	named(d, "model", old.Ensembles, now.Ensembles, id, func(a, b **ensemble.Model) {
		x, y := *a, *b
		if x.Digest() != y.Digest() {
			d.say("model %s scores otherwise: %d trees of %s instead of %d trees of %s", x.ID, y.Trees(), clean(y.File), x.Trees(), clean(x.File))
		}
		d.change(x.Max, y.Max, "model %s says at most %s nats instead of %s", x.ID)
		d.change(x.Weight, y.Weight, "model %s weighs %s instead of %s", x.ID)
		for _, v := range [][3]string{
			{"features", columns(x), columns(y)},
			{"group", x.Group.String(), y.Group.String()},
			{"calibration", pointsOf(x.Points), pointsOf(y.Points)},
			{"text", x.Text, y.Text},
			{"ceiling", x.Ceiling, y.Ceiling},
			{"technique", x.Technique, y.Technique},
			{"owner", x.Owner, y.Owner},
			{"kinds", cmp.Or(strings.Join(x.Kinds, ", "), "all"), cmp.Or(strings.Join(y.Kinds, ", "), "all")},
		} {
			if v[1] != v[2] {
				d.say("model %s has %s %s instead of %s", x.ID, v[0], cmp.Or(oneLine(v[2]), "none"), cmp.Or(oneLine(v[1]), "none"))
			}
		}
	}, func(e **ensemble.Model) {
		d.say("model %s is new: %d trees of %s, at most %s nats in group %s, up to %s", (*e).ID, (*e).Trees(), clean((*e).File), number((*e).Max), (*e).Group, (*e).Ceiling)
	})
	d.order("models", ids(old.Ensembles, id), ids(now.Ensembles, id))
}
