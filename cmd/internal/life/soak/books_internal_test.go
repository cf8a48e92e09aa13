package soak

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

// TestIncidents tells attacks as they are seen and what the table makes of them.
func TestIncidents(t *testing.T) {
	const (
		calm    = "calm"    // A request that nobody would suspect.
		strange = "strange" // One that a person would.
		tick    = "tick"    // Of an open stream.
		owner   = "owner"   // A step-up on the owner's own request.
		later   = "later"   // Two hours pass.
	)
	origin := time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)
	until := origin.Add(time.Hour)
	tests := map[string]struct {
		story []string
		want  incident
	}{
		"requests count from the first suspicious one": {
			[]string{calm, calm, strange, strange, verdict.ActionStepUp},
			incident{suspicious: true, requests: 2, stepUp: 2},
		},
		"ticks of a stream are no requests": {
			[]string{strange, tick, tick, verdict.ActionRevoke},
			incident{suspicious: true, requests: 1, stepUp: 1, revoke: 1},
		},
		"only the first time counts": {
			[]string{strange, verdict.ActionStepUp, strange, verdict.ActionStepUp, strange, verdict.ActionBlock},
			incident{suspicious: true, requests: 3, stepUp: 1, revoke: 3},
		},
		"slowing down is not catching": {
			[]string{strange, verdict.ActionThrottle},
			incident{suspicious: true, requests: 1, throttle: 1},
		},
		"who is held already is held at once": {
			[]string{calm, verdict.ActionRevoke, strange, strange},
			incident{suspicious: true, requests: 2, stepUp: 1, revoke: 1, earlyRevoke: origin.Add(time.Hour)},
		},
		"a verdict that has lapsed holds nobody": {
			[]string{calm, verdict.ActionStepUp, later, strange},
			incident{suspicious: true, requests: 1, earlyStepUp: origin.Add(time.Hour)},
		},
		"what the owner did before is another matter": {
			[]string{calm, owner, strange},
			incident{suspicious: true, requests: 1},
		},
		"the owner's step-up catches the thief": {
			[]string{strange, owner},
			incident{suspicious: true, requests: 1, stepUp: 1},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var c incident
			at := origin
			for _, s := range tt.story {
				switch s {
				case calm, strange, tick:
					c.see(life.Label{Suspicious: s != calm}, s != tick, at)
				case later:
					at = at.Add(2 * time.Hour)
				case owner:
					c.take(&judge.Proposal{Action: verdict.ActionStepUp, Until: until}, false)
				default:
					c.take(&judge.Proposal{Action: s, Until: until}, true)
				}
			}
			if diff := cmp.Diff(tt.want, c, cmp.AllowUnexported(incident{})); diff != "" {
				t.Errorf("incident (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPromises(t *testing.T) {
	tests := map[string]struct {
		alarms Alarms
		broken bool
	}{
		"nothing happened":                  {Alarms{}, false},
		"twice the budget of step-ups":      {Alarms{StepUp: 200}, false},
		"more than twice the budget":        {Alarms{StepUp: 202}, true},
		"too many were slowed down":         {Alarms{Throttle: 30, ReadOnly: 20}, true},
		"one person was signed out":         {Alarms{Revoke: 1}, true},
		"one person was blocked altogether": {Alarms{Block: 1}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReport(Options{})
			*r.kind("human") = Kind{SubjectDays: 10000, Alarms: tt.alarms}
			err := r.Promised("human")
			if (err != nil) != tt.broken {
				t.Errorf("Promised() = %v", err)
			}
		})
	}
	if newReport(Options{}).Promised("human") == nil {
		t.Error("a promise to nobody is kept")
	}
}
