package incident

import (
	"maps"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/exact"
)

// profile is what the findings of an incident have shown.
type profile struct {
	kinds map[string]*tally
	// identities are the targets, sessions and subjects of the findings; targets
	// those that verdicts name.
	identities map[Thing]struct{}
	targets    map[Thing]struct{}
	signals    map[string]pulse // Those that were the strongest of a finding.
}

// pulse is when a signal last came, and how often an hour it usually does.
type pulse struct {
	last  time.Time
	usual float64
}

// tally is what was shown of one kind.
type tally struct {
	// findings is how many showed anything of the kind, once how many of those things
	// were shown by one finding alone.
	findings, once int
	steady         bool
	values         map[string]*value
}

// newTally counts a kind. Who goes from address to address keeps his program.
func newTally(kind string) *tally {
	return &tally{values: make(map[string]*value), steady: kind == verdict.TargetJA4 || kind == verdict.TargetDevice || kind == verdict.TargetClient}
}

type value struct {
	findings int
	share    float64 // The latest.
}

func newProfile() profile {
	return profile{
		kinds: make(map[string]*tally), identities: make(map[Thing]struct{}),
		targets: make(map[Thing]struct{}), signals: make(map[string]pulse),
	}
}

// add counts a finding in.
func (p *profile) add(f *Finding) {
	for _, t := range f.identities() {
		if len(p.identities) < FindingsMax {
			p.identities[t] = struct{}{}
		}
	}
	if len(p.targets) < FindingsMax {
		p.targets[f.Target] = struct{}{}
	}
	if s := f.first(); s != "" && f.Time.After(p.signals[s].last) {
		p.signals[s] = pulse{f.Time, f.Usual}
	}
	for _, s := range f.Shown {
		if !telling(s.Kind) {
			continue
		}
		t := p.kinds[s.Kind]
		if t == nil {
			t = newTally(s.Kind)
			p.kinds[s.Kind] = t
		}
		t.add(s.ID, 1, s.Share)
	}
}

func (t *tally) add(id string, findings int, share float64) {
	t.findings += findings
	v := t.values[id]
	if v == nil {
		if len(t.values) >= ShownMax {
			t.once += findings // It will be new again.
			return
		}
		v = new(value)
		t.values[id] = v
	}
	if v.findings == 1 {
		t.once--
	}
	v.findings += findings
	if v.findings == 1 {
		t.once++
	}
	v.share = share
}

// absorb adds another profile.
func (p *profile) absorb(o *profile) {
	for t := range o.identities {
		if len(p.identities) < FindingsMax {
			p.identities[t] = struct{}{}
		}
	}
	for t := range o.targets {
		if len(p.targets) < FindingsMax {
			p.targets[t] = struct{}{}
		}
	}
	for s, at := range o.signals {
		if at.last.After(p.signals[s].last) {
			p.signals[s] = at
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(o.kinds)) {
		from := o.kinds[kind]
		t := p.kinds[kind]
		if t == nil {
			t = newTally(kind)
			p.kinds[kind] = t
		}
		for _, id := range slices.Sorted(maps.Keys(from.values)) {
			t.add(id, from.values[id].findings, from.values[id].share)
		}
	}
}

// chance is how likely the next finding of an incident shows a thing, of which the
// tenant's people show a share.
func (t *tally) chance(id string, share float64) float64 {
	once := t.once
	if t.steady && once > 0 {
		once-- // The first is new in any case, and the others are expected to be the same.
	}
	fresh := (float64(once) + 0.5) / (float64(t.findings) + 1)
	known := 0.0
	if v := t.values[id]; v != nil {
		known = float64(v.findings) / float64(t.findings)
	}
	return float64((1-fresh)*known) + float64(fresh*share)
}

// knows reports whether a finding is of an incident whatever else it shows.
func (p *profile) knows(f *Finding) bool {
	for _, t := range f.identities() {
		if _, same := p.identities[t]; same {
			return true
		}
	}
	return false
}

// weigh is how much speaks for it that a finding is one of the incident's, in nats.
func (p *profile) weigh(f *Finding) float64 {
	sum := 0.0
	if last, seen := p.signals[f.first()]; seen {
		sum = tempo(f.Time.Sub(last.last), f.Usual)
	}
	for _, group := range groups {
		sum += strongest(group, func(kind string) (nats float64, ok bool) {
			t := p.kinds[kind]
			if t == nil {
				return 0, false
			}
			for _, s := range f.Shown {
				if s.Kind == kind {
					share := max(s.Share, shareLeast)
					return exact.Ln(t.chance(s.ID, share) / share), true
				}
			}
			return 0, false
		})
	}
	if p.judged(f) {
		sum += judgedNats
	}
	return sum
}

// strongest is what a group of kinds adds: what speaks most for it, else what speaks
// most against it.
func strongest(group []string, of func(kind string) (nats float64, ok bool)) float64 {
	most, least := 0.0, 0.0
	for _, kind := range group {
		nats, ok := of(kind)
		if ok {
			most, least = max(most, nats), min(least, nats)
		}
	}
	if most > 0 {
		return most
	}
	return least
}

// judged reports whether a verdict of one side names what the other shows.
func (p *profile) judged(f *Finding) bool {
	for _, s := range f.Shown {
		if _, named := p.targets[s.Thing]; named && telling(s.Kind) {
			return true
		}
	}
	t := p.kinds[f.Target.Kind]
	if t == nil {
		return false
	}
	v := t.values[f.Target.ID]
	return v != nil && 2*v.findings >= t.findings
}

// tempo is how surprising it is that a signal comes again so soon, if only chance
// brings it (a Poisson process of the usual rate an hour).
func tempo(gap time.Duration, usual float64) float64 {
	if !(usual > 0) {
		return 0
	}
	expected := float64(usual * max(gap.Abs(), tempoLeast).Hours())
	// 1 - exp(-x), which is x where x is small.
	chance := min(expected, 1-exact.Exp2(-expected/ln2))
	return min(tempoNats, -exact.Ln(max(chance, shareLeast)))
}

const ln2 = 0.693147180559945309417232121458

// kin is how much speaks for it that the findings of two incidents are of one, in
// nats. That they are about the same target does not: see the package.
func (p *profile) kin(o *profile) float64 {
	sum := 0.0
	for signal, at := range p.signals { // The most of all, so in any order.
		if other, both := o.signals[signal]; both {
			sum = max(sum, tempo(at.last.Sub(other.last), max(at.usual, other.usual)))
		}
	}
	return sum + min(p.within(o), o.within(p))
}

// within is how much better the profile of another incident explains what the
// findings of this one show than the tenant's people do: the mean over them, so that
// one machine that two campaigns share does not make one of them.
func (p *profile) within(o *profile) float64 {
	sum := 0.0
	for _, group := range groups {
		sum += strongest(group, func(kind string) (nats float64, ok bool) {
			a, b := p.kinds[kind], o.kinds[kind]
			if a == nil || b == nil {
				return 0, false
			}
			mean := 0.0
			for _, id := range slices.Sorted(maps.Keys(a.values)) {
				v := a.values[id]
				share := max(v.share, shareLeast)
				mean += float64(float64(v.findings) / float64(a.findings) * exact.Ln(b.chance(id, share)/share))
			}
			return mean, true
		})
	}
	return sum
}
