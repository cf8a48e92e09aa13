package epochs

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/scorer/anomaly"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// States of an epoch.
const (
	StateInForce   = "in force"
	StateCandidate = "candidate" // Later than what is in force.
	StateEarlier   = "earlier"
)

// Listed is an epoch of a tenant as people see it.
type Listed struct {
	Tenant string `json:"tenant"`
	Number uint64 `json:"number"`
	Digest string `json:"digest"`
	// Origin is the number of the epoch whose content it has, its own for most.
	Origin uint64    `json:"origin"`
	Built  time.Time `json:"built"`
	State  string    `json:"state"`
	// Held says of the one in force that promotion waits for a person, By whose key
	// has promoted it.
	Held bool   `json:"held,omitempty"`
	By   string `json:"by,omitempty"`
	// Against is with which epoch it is compared, 0 for none, and Shift the largest
	// shift of its parts, as a population stability index.
	Against uint64  `json:"against"`
	Shift   float64 `json:"shift"`
	Parts   []Part  `json:"parts,omitempty"`
}

// Part is one of the things that partitions share.
type Part struct {
	Name string `json:"part"`
	// Holds is of how much it is made.
	Holds string `json:"holds"`
	// Shift is how far it is from that of the other epoch, 0 where that is not known.
	Shift float64 `json:"shift"`
	// Says is the same in words.
	Says string `json:"says"`
}

// List returns the epochs of a tenant that can be had, latest first, compared with
// the one of a number, or with the one in force where that is 0.
func (x *Exchange) List(tenant string, against uint64) []Listed {
	x.mu.Lock()
	active := x.active[tenant]
	var all []*epoch.Epoch
	for ref, e := range x.epochs {
		if ref.Tenant == tenant {
			all = append(all, e)
		}
	}
	x.mu.Unlock()
	slices.SortFunc(all, func(a, b *epoch.Epoch) int {
		return cmp.Or(cmp.Compare(b.Number, a.Number), strings.Compare(a.Digest(), b.Digest()))
	})
	if against == 0 {
		against = active.Number
	}
	var with *epoch.Epoch
	for _, e := range all {
		if e.Number == against && (with == nil || e.Digest() == active.Digest) {
			with = e
		}
	}
	list := make([]Listed, 0, len(all))
	for _, e := range all {
		one := Listed{
			Tenant: tenant, Number: e.Number, Digest: e.Digest(), Origin: e.Origin, Built: time.Unix(0, e.Built).UTC(),
			State: StateEarlier, Parts: compare(e, with),
		}
		if with != nil {
			one.Against = with.Number
		}
		switch {
		case e.Number == active.Number && e.Digest() == active.Digest:
			one.State, one.Held, one.By = StateInForce, active.Held, active.By
		case e.Number > active.Number:
			one.State = StateCandidate
		}
		for _, p := range one.Parts {
			one.Shift = max(one.Shift, p.Shift)
		}
		list = append(list, one)
	}
	return list
}

// compare says of each part of an epoch what it holds and how far it is from that
// of another one, nil for none.
func compare(e, with *epoch.Epoch) []Part {
	parts := []Part{order(e, with), curves(e, with), backOff(e, with)}
	for i := range e.Detectors {
		parts = append(parts, detector(&e.Detectors[i], with))
	}
	return parts
}

func order(e, with *epoch.Epoch) Part {
	p := Part{Name: "order of events", Holds: fmt.Sprintf("%.0f events", e.Prior.Total())}
	if with == nil {
		return p
	}
	p.Shift = e.Steps.Shift(&with.Steps)
	p.Says = words(p.Shift)
	return p
}

// curves are what clean sessions reach.
func curves(e, with *epoch.Epoch) Part {
	var known, changed []string
	for kind, name := range [sequence.KindCount]string{"human", "service", "agent"} {
		if e.Curves[kind] != (sequence.Curve{}) {
			known = append(known, name)
		}
		if with != nil && e.Curves[kind] != with.Curves[kind] {
			changed = append(changed, name)
		}
	}
	p := Part{Name: "curves of sessions", Holds: cmp.Or(strings.Join(known, ", "), "none yet")}
	if with != nil {
		p.Says = "as before"
	}
	if len(changed) > 0 {
		p.Says = "others for " + strings.Join(changed, ", ")
	}
	return p
}

// backOff is how much habits lean on those of the peers.
func backOff(e, with *epoch.Epoch) Part {
	known, most := 0, 1.0
	for i, c := range e.Concentrations {
		if c == 0 {
			continue
		}
		known++
		if with != nil && with.Concentrations[i] > 0 {
			ratio := c / with.Concentrations[i]
			most = max(most, ratio, 1/ratio)
		}
	}
	p := Part{Name: "back-off to peers", Holds: fmt.Sprintf("%d of %d habits", known, epoch.Habits)}
	switch {
	case with == nil:
	case most < 1.005:
		p.Says = "as before"
	default:
		p.Says = fmt.Sprintf("a concentration changed by a factor of %.2f", most)
	}
	return p
}

func detector(d *epoch.Detector, with *epoch.Epoch) Part {
	p := Part{Name: "detector of " + d.Name, Holds: fmt.Sprintf("%d rows of %.0f", d.Rows.Len(), math.Ceil(d.Rows.Weight()))}
	if with == nil {
		return p
	}
	other := with.Detector(d.Name)
	if other == nil {
		p.Says = "new"
		return p
	}
	counts := other.Reference.Count(&d.Rows)
	var column int
	p.Shift, column = other.Reference.Shift(&counts, epoch.WatchedColumns)
	p.Says = words(p.Shift)
	if p.Shift >= shiftTold && d.Reference != nil {
		name, now := anomaly.Say(column, d.Reference.Median(column))
		_, before := anomaly.Say(column, other.Reference.Median(column))
		p.Says += fmt.Sprintf("; most in %s: median %s, was %s", name, now, before)
	}
	return p
}

// shiftTold is from where on a shift is a change (Siddiqi, Credit Risk Scorecards, 2006).
const shiftTold = 0.1

// words are what a shift means.
func words(shift float64) string {
	switch {
	case shift < shiftTold:
		return "as before"
	case shift < epoch.ShiftAlarm:
		return "has moved"
	}
	return "another population"
}
