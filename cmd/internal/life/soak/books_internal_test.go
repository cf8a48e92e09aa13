package soak

import (
	"math/bits"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
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
		"time counts from the first suspicious one, to each verdict": {
			[]string{calm, later, strange, later, strange, verdict.ActionStepUp, later, strange, verdict.ActionRevoke},
			incident{suspicious: true, requests: 3, stepUp: 2, revoke: 3, stepUpIn: 2 * time.Hour, revokeIn: 4 * time.Hour},
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
					c.take(&judge.Proposal{Action: verdict.ActionStepUp, Until: until}, false, at)
				default:
					c.take(&judge.Proposal{Action: s, Until: until}, true, at)
				}
			}
			c.began = time.Time{} // Said by how long after it a verdict fell.
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

// TestVictims tells whose alarms are an attack's doing once it has begun, and for how
// long.
func TestVictims(t *testing.T) {
	r := &run{touched: make(map[string]touch)}
	start := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	at := func(in time.Duration, subject, session, address string) *event.RequestEvent {
		return &event.RequestEvent{Time: timestamppb.New(start.Add(in)), Subject: subject, Session: session, Address: address}
	}
	stolen, guess := at(0, "ana", "s1", "240.0.0.1"), at(0, "", "", "240.0.0.2")
	if got, _ := r.mark(stolen, life.Label{Attack: -1}); got != -1 {
		t.Fatalf("before any attack an event belongs to %d", got)
	}
	for n, ev := range map[int]*event.RequestEvent{4: stolen, 7: guess} {
		if got, own := r.mark(ev, life.Label{Attack: n}); got != n || !own {
			t.Fatalf("an attack's own event belongs to %d", got)
		}
	}
	tests := map[string]struct {
		ev     *event.RequestEvent
		want   int
		stolen bool
	}{
		"the owner in the stolen session":             {at(time.Hour, "ana", "s1", "240.0.0.9"), 4, true},
		"the owner in another session":                {at(time.Hour, "ana", "s2", ""), 4, false},
		"the owner in the stolen session, days later": {at(72*time.Hour, "ana", "s1", "240.0.0.9"), -1, false},
		"the owner in another session, days later":    {at(72*time.Hour, "ana", "s9", ""), -1, false},
		"a stranger at the address of who guesses":    {at(time.Hour, "", "", "240.0.0.2"), 7, true},
		"somebody signed in at that address":          {at(time.Hour, "ben", "s3", "240.0.0.2"), -1, false},
		"a stranger at the address of a stolen one":   {at(time.Hour, "", "", "240.0.0.1"), -1, false},
		"somebody else altogether":                    {at(time.Hour, "eva", "s4", "240.0.0.5"), -1, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, own := r.mark(tt.ev, life.Label{Attack: -1}); got != tt.want || own != tt.stolen {
				t.Errorf("belongs to %d (its own %t), want %d (%t)", got, own, tt.want, tt.stolen)
			}
		})
	}
}

// TestOneUnit books blocks of one kind and looks whether their mean is promised.
func TestOneUnit(t *testing.T) {
	calm, found := [evidence.GroupCount]float64{}, [evidence.GroupCount]float64{evidence.Network: 8}
	tests := map[string]struct {
		traits life.Trait
		every  int // One block in so many has a finding.
		broken bool
	}{
		"nothing is ever found":                     {life.Clerk, 1 << 20, false},
		"a finding in a thousand blocks":            {life.Clerk, 1000, false},
		"a finding in a hundred blocks":             {life.Clerk, 100, true},
		"who travels is expected to show something": {life.Travelling, 100, false},
		"who exports is not expected to travel":     {life.BulkExport, 100, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newReport(Options{Model: model.Default()})
			const blocks = 10_000
			for i := range blocks {
				k := &block{kind: "human", traits: tt.traits, gained: calm}
				if i%tt.every == 1 {
					k.gained = found
				}
				k.book(r)
			}
			for range 20 * blocks { // All others, of no circumstance.
				(&block{kind: "human", gained: calm}).book(r)
			}
			err := r.OneUnit("human")
			if (err != nil) != tt.broken {
				t.Errorf("OneUnit() = %v", err)
			}
		})
	}
}

// TestExclusionsHaveReasons keeps the list short and explained: each is a
// circumstance of its own, and of other groups it excuses nothing.
func TestExclusionsHaveReasons(t *testing.T) {
	seen := make(map[exclusion]bool)
	for _, x := range exclusions() {
		if bits.OnesCount64(uint64(x.trait)) != 1 || len(strings.Fields(x.why)) < 5 {
			t.Errorf("%s, %s: %q; want one circumstance and a reason", x.group, x.trait, x.why)
		}
		key := exclusion{x.group, x.trait, ""}
		if seen[key] {
			t.Errorf("%s, %s stands twice", x.group, x.trait)
		}
		seen[key] = true
	}
	for _, g := range evidence.Groups() {
		for _, trait := range life.Traits() {
			if excused := looksFor(int(g))&trait != 0; excused != seen[exclusion{g, trait, ""}] {
				t.Errorf("%s, %s: left out %t", g, trait, excused)
			}
		}
	}
}
