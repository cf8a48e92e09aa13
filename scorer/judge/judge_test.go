package judge_test

import (
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// act is what a signal finds, after how long.
type act struct {
	in     time.Duration
	signal evidence.Signal
	nats   float64
	strong bool
}

// TestLadder adds findings up and reads the ladder after the last.
func TestLadder(t *testing.T) {
	tests := map[string]struct {
		kind     string
		acts     []act
		want     string
		announce bool
	}{
		"nothing is nothing":                          {"human", []act{{0, evidence.NewCountry, 0, false}}, verdict.ActionObserve, false},
		"two weak facts add up":                       {"human", []act{{0, evidence.NewCountry, 5.5, false}, {time.Second, evidence.ImpossibleTravel, 5, false}}, verdict.ActionStepUp, true},
		"one fact seen twice counts once":             {"human", []act{{0, evidence.ImpossibleTravel, 6, false}, {time.Second, evidence.ImpossibleTravel, 6, false}, {time.Minute, evidence.ImpossibleTravel, 6, false}}, verdict.ActionObserve, false},
		"suspicion fades":                             {"human", []act{{0, evidence.NewCountry, 5.5, false}, {2 * time.Hour, evidence.ImpossibleTravel, 5, false}}, verdict.ActionObserve, false},
		"novelty never revokes, however much":         {"human", []act{{0, evidence.NewCountry, 40, false}, {0, evidence.ImpossibleTravel, 40, false}, {0, evidence.NewFamily, 40, false}, {0, evidence.NewDevice, 40, false}}, verdict.ActionStepUp, false},
		"concurrency that is weak never revokes":      {"human", []act{{0, evidence.ConcurrentPlaces, 20, false}}, verdict.ActionStepUp, true},
		"concurrency that is strong does":             {"human", []act{{0, evidence.ConcurrentPlaces, 16, true}}, verdict.ActionRevoke, true},
		"weak first, strong then, counted once":       {"human", []act{{0, evidence.ConcurrentPlaces, 12, false}, {time.Second, evidence.ConcurrentPlaces, 12, true}}, verdict.ActionStepUp, false},
		"volume slows down before it asks":            {"human", []act{{0, evidence.BytesOut, 7.8, false}}, verdict.ActionThrottle, true},
		"novelty does not slow down":                  {"human", []act{{0, evidence.ImpossibleTravel, 7.8, false}}, verdict.ActionObserve, false},
		"a fast minute alone is forgiven":             {"human", []act{{0, evidence.RequestRate, 5, false}, {10 * time.Minute, evidence.RequestRate, 5, false}}, verdict.ActionObserve, false},
		"many fast minutes add up":                    {"human", []act{{0, evidence.RequestRate, 5, false}, {time.Minute, evidence.RequestRate, 5, false}, {time.Minute, evidence.RequestRate, 5, false}, {time.Minute, evidence.RequestRate, 5, false}}, verdict.ActionStepUp, false},
		"many requests of one fast minute do not":     {"human", []act{{0, evidence.RequestRate, 5, false}, {time.Second, evidence.RequestRate, 5, false}, {time.Second, evidence.RequestRate, 5, false}, {time.Second, evidence.RequestRate, 5, false}}, verdict.ActionObserve, false},
		"a hard fact revokes below every threshold":   {"human", []act{{0, evidence.TwoKeys, 1, true}}, verdict.ActionRevoke, true},
		"an address is blocked":                       {"address", []act{{0, evidence.FailuresByAddress, 15, true}}, verdict.ActionBlock, true},
		"an address is not asked for a second factor": {"address", []act{{0, evidence.NotFoundShare, 10, false}}, verdict.ActionThrottle, true},
		"the same verdict is not repeated":            {"human", []act{{0, evidence.ConcurrentPlaces, 12, false}, {time.Minute, evidence.ConcurrentPlaces, 13, false}}, verdict.ActionStepUp, false},
		"it is renewed before it lapses":              {"human", []act{{0, evidence.ConcurrentPlaces, 15, false}, {25 * time.Minute, evidence.ConcurrentPlaces, 15, false}}, verdict.ActionStepUp, true},
		"hysteresis holds what is in force":           {"human", []act{{0, evidence.ConcurrentPlaces, 11, false}, {15 * time.Minute, evidence.NewDevice, 0.1, false}}, verdict.ActionStepUp, false},
		"and lets go of what has lapsed":              {"human", []act{{0, evidence.ConcurrentPlaces, 11, false}, {31 * time.Minute, evidence.NewDevice, 0.1, false}}, verdict.ActionObserve, false},
		"an unknown kind is treated as human":         {"alien", []act{{0, evidence.ConcurrentPlaces, 16, true}}, verdict.ActionRevoke, true},
	}
	m := model.Default()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var s entity.Suspicion
			var r judge.Ruling
			now := int64(1e18)
			for _, a := range tt.acts {
				now += int64(a.in)
				shares, _ := judge.Weigh(m, judge.Terms{}, []evidence.Finding{{Signal: a.signal, Nats: a.nats, Strong: a.strong, Text: "x"}}, nil, nil)
				r = judge.Step(m, m.Pace(), m.Ladder(tt.kind), &s, shares, now)
				if r.Announce {
					s.Level, s.LevelUntil = verdict.Strength(r.Action), now+int64(r.Rung.For)
				}
			}
			if r.Action != tt.want || r.Announce != tt.announce {
				t.Errorf("asks for %s (announce %v) at %.1f of %.1f, want %s (%v)", r.Action, r.Announce, r.Score, r.Total, tt.want, tt.announce)
			}
		})
	}
}

// TestWeighClipsGroups sums a group beyond its clip.
func TestWeighClipsGroups(t *testing.T) {
	m := model.Default()
	shares, score := judge.Weigh(m, judge.Terms{}, []evidence.Finding{
		{Signal: evidence.NewFamily, Nats: 9}, {Signal: evidence.NewDevice, Nats: 3}, {Signal: evidence.NewCountry, Nats: 5}, {Signal: evidence.NewNetwork, Nats: 0},
	}, nil, nil)
	clip := m.Clips[evidence.Client]
	if len(shares) != 3 || score != clip+5 || shares[0].Nats != clip*0.75 || shares[1].Finding.Nats != 3 {
		t.Errorf("score %g of %+v, want %g", score, shares, clip+5)
	}
}

// TestGroupWeight weighs what labels say is worth less, and nothing else.
func TestGroupWeight(t *testing.T) {
	tests := map[string]struct {
		signal evidence.Signal
		nats   float64
		want   float64
	}{
		"what is found of the group is weighed": {evidence.NewCountry, 5, 4},
		"what is found of another group is not": {evidence.NewFamily, 4, 4},
		"a hard fact is not":                    {evidence.TwoKeys, 20, 20},
		"reassurance is not":                    {evidence.ProvenKey, -3, -3},
	}
	weights := model.Default().GroupWeights
	weights[evidence.Network], weights[evidence.Binding] = 0.8, 0.8
	m := model.Default().WithGroupWeights(weights)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, score := judge.Weigh(m, judge.Terms{}, []evidence.Finding{{Signal: tt.signal, Nats: tt.nats, Text: "x"}}, nil, nil)
			if score != tt.want {
				t.Errorf("%g nats of %s come to %g, want %g", tt.nats, tt.signal.Describe().ID, score, tt.want)
			}
		})
	}
}

// TestTheReasonStandsInTheVerdict lets an actor do a little of everything before what
// he is sent away for: what is remembered of him is bounded, and that is among it.
func TestTheReasonStandsInTheVerdict(t *testing.T) {
	m := model.Default()
	var s entity.Suspicion
	step := func(f evidence.Finding) judge.Ruling {
		shares, _ := judge.Weigh(m, judge.Terms{}, []evidence.Finding{f}, nil, nil)
		return judge.Step(m, m.Pace(), m.Ladder("human"), &s, shares, int64(1e18))
	}
	for signal := range evidence.Signal(evidence.Count) {
		if !signal.Describe().Hard {
			step(evidence.Finding{Signal: signal, Nats: 0.2, Text: "a little"})
		}
	}
	r := step(evidence.Finding{Signal: evidence.TwoKeys, Nats: 20, Strong: true, Text: "one token is proven with two different keys"})
	said := false
	for _, reason := range s.Reasons {
		said = said || reason.Signal == int(evidence.TwoKeys) && string(reason.Text) == "one token is proven with two different keys"
	}
	if r.Action != verdict.ActionRevoke || !said || len(s.Reasons) > entity.ReasonsMax {
		t.Errorf("%s for %d reasons, which name what it rests on: %v", r.Action, len(s.Reasons), said)
	}
}
