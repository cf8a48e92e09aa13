package soak_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/cmd/internal/life/soak"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/model"
)

var monday = time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)

// plan is a history of subjects with days that teach and days that count.
func plan(seed uint64, subjects, warmup, days, attacks int) soak.Options {
	return soak.Options{
		Life:   life.Options{Seed: seed, Start: monday, Days: warmup + days, Subjects: subjects, Attacks: attacks, AttackDay: warmup},
		Warmup: warmup, Model: model.Default(),
	}
}

func measure(t *testing.T, o soak.Options) *soak.Report {
	t.Helper()
	r, err := soak.Run(o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err = r.Print(&b)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(b.String())
	return r
}

// TestHonestAreLeftAlone holds the promise in small, as "make soak-scorer" does
// at full size: no revocation, everything else within twice its budget, and
// evidence of all groups in one unit.
func TestHonestAreLeftAlone(t *testing.T) {
	subjects := 300
	if testing.Short() || raceEnabled {
		subjects = 60
	}
	r := measure(t, plan(1, subjects, 8, 6, 0))
	all := []string{event.SubjectHuman, event.SubjectService, event.SubjectAgent, model.KindAddress}
	err := errors.Join(r.Promised(all...), r.OneUnit(all...))
	if err != nil {
		t.Error(err)
	}
}

// TestAttacksAreMet looks for the attacks that leave no doubt.
func TestAttacksAreMet(t *testing.T) {
	subjects, attacks := 300, 3
	if testing.Short() || raceEnabled {
		subjects, attacks = 60, 1
	}
	r := measure(t, plan(2, subjects, 6, 5, attacks))
	limits := map[string]int{"credential.stuffing": 12, "scanner": 10, "walk.fast": 60}
	for _, d := range r.Detection {
		limit, known := limits[d.Kind]
		if !known {
			continue
		}
		delete(limits, d.Kind)
		if d.Caught < d.Attacks || d.StepUpP90 > limit {
			t.Errorf("%s: %d of %d caught, nine in ten within %d requests; want all within %d", d.Kind, d.Caught, d.Attacks, d.StepUpP90, limit)
		}
	}
	if len(limits) > 0 {
		t.Errorf("no such attacks: %v", limits)
	}
}

// TestReportIsTheSameAgain runs one history twice.
func TestReportIsTheSameAgain(t *testing.T) {
	var reports [2]string
	for i := range reports {
		r, err := soak.Run(plan(5, 50, 2, 3, 1))
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		reports[i] = string(b)
	}
	if diff := cmp.Diff(reports[0], reports[1]); diff != "" {
		t.Errorf("the same history gives another report (-first +again):\n%s", diff)
	}
}

// TestReportAddsUp compares the parts of a report with each other.
func TestReportAddsUp(t *testing.T) {
	calm, err := soak.Run(plan(7, 80, 3, 4, 0))
	if err != nil {
		t.Fatal(err)
	}
	days, causes, alarms := 0, 0, 0
	for _, k := range calm.Kinds {
		days += k.SubjectDays
		alarms += k.Throttle + k.ReadOnly + k.StepUp + k.Revoke + k.Block
		for group, mean := range k.Mean {
			if !(mean > 0) {
				t.Errorf("%s, %s: mean of exp(L) is %g", k.Kind, group, mean)
			}
		}
	}
	for _, c := range calm.Causes {
		causes += c.Count
	}
	for _, s := range calm.Segments {
		if s.SubjectDays > days {
			t.Errorf("%s, %s has %d of %d subject-days", s.Kind, s.Trait, s.SubjectDays, days)
		}
	}
	if causes != alarms {
		t.Errorf("%d alarms have %d causes", alarms, causes)
	}
	if len(calm.Detection) != 0 || calm.Requests == 0 || calm.Requests > calm.Events {
		t.Errorf("%d attacks, %d requests in %d events", len(calm.Detection), calm.Requests, calm.Events)
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	o := plan(1, 50, 1, 1, 0)
	o.Model = nil
	_, err := soak.Run(o)
	if err == nil {
		t.Error("a soak without a model ran")
	}
	o = plan(1, 1, 1, 1, 0)
	_, err = soak.Run(o)
	if err == nil {
		t.Error("a soak of one subject ran")
	}
}
