package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/budget"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestFacetsAreCalibrated lets 150 people live for six days, on which others try
// accounts one by one. Of accounts there are days enough to fit what that comes to;
// of prefixes there are days enough and nothing was found, of routes there are too
// few days: their thresholds stay, with the reason.
func TestFacetsAreCalibrated(t *testing.T) {
	m := model.Default()
	gather := budget.NewCollector(len(ladder()))
	pair, err := scorer.NewPair(scorer.Options{Model: m, OfflineClock: true, Gather: gather})
	if err != nil {
		t.Fatal(err)
	}
	world, err := life.New(life.Options{Seed: 1, Subjects: 150, Days: 6, Attacks: 12, AttackDay: 1, Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	ev := new(event.RequestEvent)
	for offset := int64(0); ; offset++ {
		_, more := world.Next(ev)
		if !more {
			break
		}
		pair.Assess(scorer.Record{Event: ev, Topic: "t", Offset: offset})
	}
	gather.Close()
	found := calibrations(m, gather, nil)
	tests := map[string]struct {
		kind, action string
		fits         bool
		note         string
	}{
		"accounts that are tried one by one": {verdict.TargetAccount, verdict.ActionThrottle, true, ""},
		"prefixes without evidence":          {verdict.TargetPrefix, verdict.ActionThrottle, false, "differ from the others"},
		"too few days of routes":             {verdict.TargetRoute, verdict.ActionThrottle, false, "want 31 of 300"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			i := slices.IndexFunc(found, func(x calibration) bool { return x.Kind == tt.kind && x.Action == tt.action })
			if i < 0 {
				t.Fatal("is not among what was found")
			}
			x := &found[i]
			if tt.fits != (x.Expected != nil) || !strings.Contains(x.Note, tt.note) || x.Days == 0 {
				t.Errorf("of %d days %+v, want fit %t and note %q", x.Days, x, tt.fits, tt.note)
			}
			if !tt.fits && x.Suggested != x.Threshold {
				t.Errorf("suggests %.2f without a fit, want %.2f to stay", x.Suggested, x.Threshold)
			}
			if tt.fits && (x.Suggested <= 0 || x.Suggested >= x.Threshold) {
				t.Errorf("suggests %.2f, want one below %.2f: nothing came near", x.Suggested, x.Threshold)
			}
		})
	}
	var ladders strings.Builder
	err = writeLadders(&ladders, m, found, nil)
	if err != nil {
		t.Fatal(err)
	}
	fitted, err := model.Parse("ladders", []byte(ladders.String()))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := fitted.Ladder(verdict.TargetAccount)[0].Threshold, m.Ladder(verdict.TargetAccount)[0].Threshold; a >= b {
		t.Errorf("the section of a model file has %.2f for accounts, want less than %.2f", a, b)
	}
}

// TestLaddersKeepTheirTemperature reads the section of a model file again.
func TestLaddersKeepTheirTemperature(t *testing.T) {
	m, err := model.Parse("own", []byte("ladders:\n  - {kind: human, temperature: 0.17}\n  - {kind: agent, temperature: 0.23}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var ladders strings.Builder
	err = writeLadders(&ladders, m, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := model.Parse("ladders", []byte(ladders.String()))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range model.Kinds() {
		if a, b := again.Temperature(kind), m.Temperature(kind); a != b {
			t.Errorf("the temperature of %s is %g, want %g", kind, a, b)
		}
	}
}
