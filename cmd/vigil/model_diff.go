package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/rules"
)

// modelDiff says in words how a model differs from another, one change a line;
// none where both mean the same.
func modelDiff(old, now *model.Model) []string {
	if old.Digest() == now.Digest() {
		return nil
	}
	d := &differ{}
	if old.Mode != now.Mode {
		what := "verdicts are only recorded"
		if now.Mode == model.ModeEnforce {
			what = "verdicts reach the gateways"
		}
		d.say("mode is %s instead of %s: %s", now.Mode, old.Mode, what)
	}
	d.signals(old, now)
	for g := range old.Clips {
		d.change(old.Clips[g], now.Clips[g], "group %s adds at most %s nats to an event instead of %s", evidence.Group(g))
		d.change(old.GroupWeights[g], now.GroupWeights[g], "group %s weighs %s instead of %s", evidence.Group(g))
		d.change(old.Rents[g], now.Rents[g], "suspicion of group %s loses at least %s nats a block instead of %s", evidence.Group(g))
	}
	d.numbers(old, now)
	for _, kind := range model.Kinds() {
		d.change(old.Temperature(kind), now.Temperature(kind), "temperature of %s is %s instead of %s", plural(kind))
		d.ladder(kind, old.Ladder(kind), now.Ladder(kind))
		for _, action := range ladder()[1:] {
			d.change(old.Budget(kind, action), now.Budget(kind, action), "budget for "+plural(kind)+": %s on %s of 10,000 subject-days instead of %s", action)
		}
		d.change(old.HoldOut(kind), now.HoldOut(kind), "days of %s that are held out from step-ups: %s instead of %s", plural(kind))
	}
	d.classes(old, now)
	d.peerGroups(old, now)
	d.rules(old, now)
	d.ensembles(old, now)
	d.exceptions(old, now)
	if len(d.lines) == 0 {
		d.say("they are written otherwise, and mean the same for every event: digest %s instead of %s", now.Digest(), old.Digest())
	}
	return d.lines
}

type differ struct{ lines []string }

func (d *differ) say(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// change says a number that differs; the format takes what it is of, the new
// number and the old one.
func (d *differ) change(old, now float64, format string, what any) {
	if old != now {
		d.say(format, what, number(now), number(old))
	}
}

func (d *differ) signals(old, now *model.Model) {
	for i := range old.Signals {
		a, b, id := old.Signals[i], now.Signals[i], evidence.Signal(i).Describe().ID
		switch {
		case a.On && !b.On:
			d.say("signal %s is off", id)
		case !a.On && b.On:
			d.say("signal %s is on", id)
		}
		d.change(a.Weight, b.Weight, "signal %s weighs %s instead of %s", id)
		d.change(a.Max, b.Max, "signal %s says at most %s nats instead of %s", id)
		if a.Ceiling != b.Ceiling {
			d.say("signal %s alone supports up to %s instead of %s", id, b.Ceiling, a.Ceiling)
		}
	}
}

// numbers compares the sections that are not lists.
func (d *differ) numbers(old, now *model.Model) {
	spans := []struct {
		key      string
		old, now time.Duration
	}{
		{"learning.quarantine", old.Learning.Quarantine, now.Learning.Quarantine},
		{"learning.half_life", old.Learning.HalfLife, now.Learning.HalfLife},
		{"learning.place_span", old.Learning.PlaceSpan, now.Learning.PlaceSpan},
		{"learning.growth_span", old.Learning.GrowthSpan, now.Learning.GrowthSpan},
		{"session.half_life", old.Session.HalfLife, now.Session.HalfLife},
		{"session.block", old.Session.Block, now.Session.Block},
	}
	for _, s := range spans {
		if s.old != s.now {
			d.say("%s is %s instead of %s", s.key, span(s.now), span(s.old))
		}
	}
	values := []struct {
		key      string
		old, now float64
	}{
		{"learning.clean_below", old.Learning.CleanBelow, now.Learning.CleanBelow},
		{"learning.confidence", old.Learning.Confidence, now.Learning.Confidence},
		{"learning.concentration", old.Learning.Concentration, now.Learning.Concentration},
		{"learning.free_sessions", float64(old.Learning.FreeSessions), float64(now.Learning.FreeSessions)},
		{"learning.place_days", float64(old.Learning.PlaceDays), float64(now.Learning.PlaceDays)},
		{"learning.values_per_day", float64(old.Learning.ValuesPerDay), float64(now.Learning.ValuesPerDay)},
		{"learning.subject_deltas", float64(old.Learning.SubjectDeltas), float64(now.Learning.SubjectDeltas)},
		{"learning.prefix_deltas", float64(old.Learning.PrefixDeltas), float64(now.Learning.PrefixDeltas)},
		{"learning.network_deltas", float64(old.Learning.NetworkDeltas), float64(now.Learning.NetworkDeltas)},
		{"learning.gateway_excess", old.Learning.GatewayExcess, now.Learning.GatewayExcess},
		{"learning.common_above", old.Learning.CommonAbove, now.Learning.CommonAbove},
		{"volume.kappa", old.Volume.Kappa, now.Volume.Kappa},
		{"volume.tail", old.Volume.Tail, now.Volume.Tail},
		{"volume.look", old.Volume.Look, now.Volume.Look},
		{"session.floor", old.Session.Floor, now.Session.Floor},
		{"session.hysteresis", old.Session.Hysteresis, now.Session.Hysteresis},
		{"limits.sessions_max", float64(old.Limits.SessionsMax), float64(now.Limits.SessionsMax)},
		{"limits.subjects_max", float64(old.Limits.SubjectsMax), float64(now.Limits.SubjectsMax)},
		{"limits.addresses_max", float64(old.Limits.AddressesMax), float64(now.Limits.AddressesMax)},
		{"limits.tenants_max", float64(old.Limits.TenantsMax), float64(now.Limits.TenantsMax)},
		{"limits.detectors_max", float64(old.Limits.DetectorsMax), float64(now.Limits.DetectorsMax)},
	}
	for _, v := range values {
		d.change(v.old, v.now, "%s is %s instead of %s", v.key)
	}
	switch {
	case old.Learning.Releases && !now.Learning.Releases:
		d.say("learning.releases is off")
	case !old.Learning.Releases && now.Learning.Releases:
		d.say("learning.releases is on")
	}
	if len(old.Rules)+len(now.Rules) > 0 { // Else nothing is held against it.
		d.change(float64(old.Limits.RuleCostMax), float64(now.Limits.RuleCostMax), "%s is %s instead of %s", "limits.rule_cost_max")
	}
}

func (d *differ) ladder(kind string, old, now []model.Rung) {
	who := plural(kind)
	for _, action := range ladder() {
		find := func(rungs []model.Rung) *model.Rung {
			i := slices.IndexFunc(rungs, func(g model.Rung) bool { return g.Action == action })
			if i < 0 {
				return nil
			}
			return &rungs[i]
		}
		a, b := find(old), find(now)
		switch {
		case a == nil && b == nil:
			continue
		case a == nil:
			d.say("%s for %s from %s nats, for %s: is new", action, who, number(b.Threshold), span(b.For))
			continue
		case b == nil:
			d.say("%s for %s is gone", action, who)
			continue
		}
		if a.Threshold != b.Threshold {
			d.say("%s for %s from %s to %s nats: %s %s", action, who, number(a.Threshold), number(b.Threshold), fewer(a.Threshold < b.Threshold), verdictsOf(action))
		}
		if a.For != b.For {
			d.say("%s for %s lasts %s instead of %s", action, who, span(b.For), span(a.For))
		}
		if !slices.Equal(a.Groups, b.Groups) {
			d.say("%s for %s counts the evidence of %s instead of %s", action, who, orWord(groupList(b.Groups), "all groups"), orWord(groupList(a.Groups), "all groups"))
		}
	}
}

func plural(kind string) string {
	if kind == model.KindAddress {
		return "addresses"
	}
	if kind == verdict.TargetPrefix {
		return "prefixes"
	}
	return kind + "s"
}

func fewer(yes bool) string {
	if yes {
		return "fewer"
	}
	return "more"
}

// verdictsOf names the verdicts of an action.
func verdictsOf(action string) string {
	switch action {
	case verdict.ActionStepUp:
		return "step-ups"
	case verdict.ActionReadOnly:
		return "read-only sessions"
	case verdict.ActionRevoke:
		return "revocations"
	}
	return action + "s"
}

// named says what of two lists is new, gone or in both, by name; both is called
// for the latter, in the order of the newer list.
func named[T any](d *differ, what string, old, now []T, id func(*T) string, both func(a, b *T), added func(*T)) {
	find := func(list []T, name string) *T {
		for i := range list {
			if id(&list[i]) == name {
				return &list[i]
			}
		}
		return nil
	}
	for i := range old {
		if find(now, id(&old[i])) == nil {
			d.say("%s %s is gone", what, id(&old[i]))
		}
	}
	for i := range now {
		was := find(old, id(&now[i]))
		if was == nil {
			added(&now[i])
		} else {
			both(was, &now[i])
		}
	}
}

func (d *differ) classes(old, now *model.Model) {
	id := func(c *model.RouteClass) string { return c.ID }
	weights := func(c, before *model.RouteClass, base *model.Model) {
		for _, w := range c.Own {
			was := base.Signals[w.Signal].Weight
			if before != nil {
				was = before.Weights[w.Signal]
			}
			d.change(was, w.Weight, "in route class "+c.ID+" signal %s weighs %s instead of %s", w.Signal.Describe().ID)
		}
	}
	named(d, "route class", old.RouteClasses, now.RouteClasses, id, func(a, b *model.RouteClass) {
		if !slices.Equal(a.Routes, b.Routes) || !slices.Equal(a.Templates, b.Templates) {
			d.say("route class %s holds %s instead of %s", b.ID, routesOf(b), routesOf(a))
		}
		weights(b, a, old)
		for _, w := range a.Own { // What a class no longer sets is as for all routes.
			if !slices.ContainsFunc(b.Own, func(o model.Weight) bool { return o.Signal == w.Signal }) {
				d.change(w.Weight, b.Weights[w.Signal], "in route class "+b.ID+" signal %s weighs %s instead of %s", w.Signal.Describe().ID)
			}
		}
	}, func(c *model.RouteClass) {
		d.say("route class %s is new: %s", c.ID, routesOf(c))
		weights(c, nil, now)
	})
	d.order("route classes", ids(old.RouteClasses, id), ids(now.RouteClasses, id))
}

func routesOf(c *model.RouteClass) string {
	return strings.Join(slices.Concat(c.Routes, c.Templates), ", ")
}

func ids[T any](list []T, id func(*T) string) []string {
	names := make([]string, len(list))
	for i := range list {
		names[i] = id(&list[i])
	}
	return names
}

// order says that the same names stand in another order, where the first counts.
func (d *differ) order(what string, old, now []string) {
	if !slices.Equal(old, now) && slices.Equal(slices.Sorted(slices.Values(old)), slices.Sorted(slices.Values(now))) {
		d.say("%s stand in another order: %s", what, strings.Join(now, ", "))
	}
}

func (d *differ) rules(old, now *model.Model) {
	id := func(r **rules.Rule) string { return (*r).ID }
	named(d, "rule", old.Rules, now.Rules, id, func(a, b **rules.Rule) {
		x, y := *a, *b
		d.text(x.ID, "group", x.Group.String(), y.Group.String())
		d.text(x.ID, "expression", x.Expression, y.Expression)
		d.text(x.ID, "nats", x.Nats, y.Nats)
		d.text(x.ID, "text", x.Text, y.Text)
		d.text(x.ID, "ceiling", x.Ceiling, y.Ceiling)
		d.text(x.ID, "technique", x.Technique, y.Technique)
		d.text(x.ID, "owner", x.Owner, y.Owner)
		d.text(x.ID, "kinds", cmp.Or(strings.Join(x.Kinds, ", "), "all"), cmp.Or(strings.Join(y.Kinds, ", "), "all"))
	}, func(r **rules.Rule) {
		d.say("rule %s is new: %s nats in group %s, up to %s, when %s", (*r).ID, oneLine((*r).Nats), (*r).Group, (*r).Ceiling, oneLine((*r).Expression))
	})
	d.order("rules", ids(old.Rules, id), ids(now.Rules, id))
}

func (d *differ) text(id, what, old, now string) {
	if old != now {
		d.say("rule %s has %s %s instead of %s", id, what, cmp.Or(oneLine(now), "none"), cmp.Or(oneLine(old), "none"))
	}
}

// oneLine writes an expression of several lines as one.
func oneLine(s string) string { return clean(strings.Join(strings.Fields(s), " ")) }

func (d *differ) exceptions(old, now *model.Model) {
	id := func(x *model.Exception) string { return x.ID }
	say := func(x *model.Exception) string {
		return fmt.Sprintf("%s out for %s, %s to %s, by %s: %s", orWord(strings.Join(x.Signals, ", "), "all but hard facts"), exceptionFor(x),
			x.From.Format(time.DateOnly), x.Until.Format(time.DateOnly), clean(x.Owner), clean(x.Reason))
	}
	named(d, "exception", old.Exceptions, now.Exceptions, id, func(a, b *model.Exception) {
		if say(a) != say(b) || !a.From.Equal(b.From) || !a.Until.Equal(b.Until) {
			d.say("exception %s takes %s; instead of %s", b.ID, say(b), say(a))
		}
	}, func(x *model.Exception) { d.say("exception %s is new: takes %s", x.ID, say(x)) })
	d.order("exceptions", ids(old.Exceptions, id), ids(now.Exceptions, id))
}
