package labels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/labels"
	"github.com/vigil-gateway/vigil/scorer/model"
)

var said = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// on makes n labels, each about another subject, of verdicts that rest on a group.
func on(m *model.Model, n int, says string, pieces ...labels.Evidence) []labels.Label {
	var all []labels.Label
	for i := range n {
		all = append(all, labels.Label{
			ID: fmt.Sprintf("%s-%v-%d", says, pieces, i), Model: m.Digest(), Subject: fmt.Sprintf("%s-%d", says, i),
			Says: says, By: "ana", At: said, Evidence: pieces,
		})
	}
	return all
}

func piece(group string, nats float64) labels.Evidence {
	return labels.Evidence{Group: group, Nats: nats}
}

func group(t *testing.T, p *labels.Proposal, name string) *labels.Group {
	t.Helper()
	for i := range p.Groups {
		if p.Groups[i].Group.String() == name {
			return &p.Groups[i]
		}
	}
	t.Fatalf("no group %s", name)
	return nil
}

func TestWhatLabelsSayMovesWeights(t *testing.T) {
	m := model.Default()
	about := func(all []labels.Label, subject string) []labels.Label {
		for i := range all {
			all[i].Subject = subject
		}
		return all
	}
	of := func(all []labels.Label, digest string) []labels.Label {
		for i := range all {
			all[i].Model = digest
		}
		return all
	}
	tests := map[string]struct {
		all  []labels.Label
		want map[string]float64
	}{
		"no labels move nothing":                                     {nil, nil},
		"many false alarms take weight off":                          {on(m, 40, labels.FalseAlarm, piece("walk", 10)), map[string]float64{"walk": 0.95}},
		"many that were right add weight":                            {on(m, 40, labels.Confirmed, piece("walk", 10)), map[string]float64{"walk": 1.05}},
		"a group that says much moves in proportion":                 {on(m, 40, labels.FalseAlarm, piece("walk", 100)), map[string]float64{"walk": 0.982}},
		"nine are too few":                                           {on(m, 9, labels.FalseAlarm, piece("walk", 10)), nil},
		"ten are enough":                                             {on(m, 10, labels.FalseAlarm, piece("walk", 20)), map[string]float64{"walk": 0.974}},
		"as many right as wrong stay":                                {append(on(m, 40, labels.FalseAlarm, piece("walk", 10)), on(m, 40, labels.Confirmed, piece("walk", 10))...), nil},
		"a small share is a small count":                             {on(m, 40, labels.FalseAlarm, piece("walk", 1), piece("network", 9)), map[string]float64{"network": 0.95}},
		"one subject's are together one":                             {about(on(m, 1000, labels.FalseAlarm, piece("walk", 10)), "alice"), nil},
		"a verdict of another model says nothing about this one":     {of(on(m, 40, labels.FalseAlarm, piece("walk", 10)), "other"), nil},
		"the model that enforces is the one that observes":           {of(on(m, 40, labels.FalseAlarm, piece("walk", 10)), m.WithMode(model.ModeEnforce).Digest()), map[string]float64{"walk": 0.95}},
		"a hard fact is not up for discussion":                       {on(m, 40, labels.FalseAlarm, labels.Evidence{Group: "binding", Nats: 20, Hard: true}), nil},
		"nor is what stands beside one":                              {on(m, 40, labels.FalseAlarm, piece("walk", 10), labels.Evidence{Group: "binding", Nats: 20, Hard: true}), nil},
		"reassurance is not to blame":                                {on(m, 40, labels.FalseAlarm, piece("binding", -3), piece("walk", 10)), map[string]float64{"walk": 0.95}},
		"reassurance alone says nothing":                             {on(m, 40, labels.FalseAlarm, piece("binding", -3)), nil},
		"a verdict that is labelled again counts by its last label":  {append(on(m, 40, labels.FalseAlarm, piece("walk", 10)), again(on(m, 40, labels.FalseAlarm, piece("walk", 10)))...), map[string]float64{"walk": 1.05}},
		"evidence of no size says nothing, however often":            {on(m, 40, labels.FalseAlarm, piece("walk", 0)), nil},
		"evidence of next to no size moves no further than the step": {on(m, 40, labels.FalseAlarm, piece("walk", 5e-324)), map[string]float64{"walk": 0.95}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := labels.Propose(m, tt.all)
			got := make(map[string]float64)
			for i := range p.Groups {
				if g := &p.Groups[i]; g.Moves() {
					got[g.Group.String()] = g.Proposed
				}
			}
			if tt.want == nil {
				tt.want = map[string]float64{}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Propose (-want +got):\n%s", diff)
			}
			if (p.Next != p.Model) != (len(tt.want) > 0) {
				t.Errorf("next model %s, of %s: another exactly where a weight moves", p.Next, p.Model)
			}
		})
	}
}

// again turns labels around an hour later.
func again(all []labels.Label) []labels.Label {
	for i := range all {
		all[i].Says, all[i].At = labels.Confirmed, said.Add(time.Hour)
	}
	return all
}

// TestWhoLabelsEverythingMovesNothingBeyondTheBounds plays an attacker, or a
// careless analyst, who labels all verdicts of one version after the other alike,
// and pastes every proposal.
func TestWhoLabelsEverythingMovesNothingBeyondTheBounds(t *testing.T) {
	for says, bound := range map[string]float64{labels.FalseAlarm: model.GroupWeightLeast, labels.Confirmed: model.GroupWeightMost} {
		m := model.Default()
		pieces := []labels.Evidence{}
		for _, g := range evidence.Groups() {
			pieces = append(pieces, piece(g.String(), 1e-3))
		}
		for version := range 30 {
			p := labels.Propose(m, on(m, 300, says, pieces...))
			for i := range p.Groups {
				g := &p.Groups[i]
				if g.Proposed < model.GroupWeightLeast || g.Proposed > model.GroupWeightMost || math.Abs(g.Proposed-g.Weight) > labels.StepMost*g.Weight+1e-12 {
					t.Fatalf("%s, version %d: group %s goes from %g to %g", says, version, g.Group, g.Weight, g.Proposed)
				}
			}
			same := labels.Propose(m, on(m, 300, says, pieces...))
			if lines := p.Lines(); lines != nil {
				next, err := model.Parse("next.yaml", withAll(&p))
				if err != nil {
					t.Fatalf("the proposed lines are no model: %v\n%s", err, lines)
				}
				if next.Digest() != p.Next || same.Next != p.Next {
					t.Fatalf("%s, version %d: the lines make model %s, announced was %s", says, version, next.Digest(), p.Next)
				}
				if stale := labels.Propose(next, on(m, 300, says, pieces...)); stale.Next != stale.Model || stale.Other != 300 {
					t.Fatalf("%s, version %d: the same labels moved a weight twice", says, version)
				}
				m = next
			}
		}
		for i, w := range m.GroupWeights {
			if math.Abs(w-bound) > 1e-3 {
				t.Errorf("%s: group %s ends at %g, want the bound %g", says, evidence.Group(i), w, bound)
			}
		}
	}
	for _, beyond := range []string{"0.74", "1.26", "0", "10"} {
		_, err := model.Parse("beyond.yaml", []byte("groups: [{id: walk, weight: "+beyond+"}]\n"))
		if err == nil {
			t.Errorf("a model takes weight %s of a group", beyond)
		}
	}
}

// withAll is a model file with the weights of all groups after a proposal.
func withAll(p *labels.Proposal) []byte {
	var b strings.Builder
	b.WriteString("groups:\n")
	for i := range p.Groups {
		fmt.Fprintf(&b, "  - {id: %s, weight: %g}\n", p.Groups[i].Group, p.Groups[i].Proposed)
	}
	return []byte(b.String())
}

func TestOrderOfLabelsDoesNotMatter(t *testing.T) {
	m := model.Default()
	all := append(on(m, 31, labels.FalseAlarm, piece("walk", 10.1), piece("time", 0.7)), on(m, 7, labels.Confirmed, piece("walk", 3.3), piece("network", 0.1))...)
	all = append(all, again(on(m, 3, labels.FalseAlarm, piece("walk", 10.1), piece("time", 0.7)))...)
	want := labels.Propose(m, all)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if diff := cmp.Diff(want, labels.Propose(m, all)); diff != "" {
			t.Fatalf("seed %d: another order, another proposal (-want +got):\n%s", seed, diff)
		}
	}
}

func TestWhyIsSaidInWords(t *testing.T) {
	m := model.Default()
	p := labels.Propose(m, append(on(m, 40, labels.FalseAlarm, piece("walk", 10)), on(m, 5, labels.Confirmed, piece("time", 2))...))
	for name, want := range map[string]string{
		"walk":    "40.0 false alarms against 0.0 confirmed: its usual 10.0 nats should say 1.9 less",
		"time":    "stays: 5.0 labels by its shares, and 10 are asked",
		"network": "stays: no label",
	} {
		if got := group(t, &p, name).Why; got != want {
			t.Errorf("group %s: %q, want %q", name, got, want)
		}
	}
	want := fmt.Sprintf("# From 45 labels by 1 people on verdicts of model %.12s.\ngroups:\n  - {id: walk, weight: 0.95} # %s\n", m.Digest(), group(t, &p, "walk").Why)
	if diff := cmp.Diff(want, string(p.Lines())); diff != "" {
		t.Errorf("Lines (-want +got):\n%s", diff)
	}
}
