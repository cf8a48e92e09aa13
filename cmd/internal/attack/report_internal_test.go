package attack

import (
	"testing"
	"time"
)

// TestReportKeepsOrBreaksThePromise holds the verdict on a promise to the rounds.
func TestReportKeepsOrBreaksThePromise(t *testing.T) {
	each := Scenario{Name: "x", Promise: Promise{Most: 10, Unit: unitRequests}}
	half := Scenario{Name: "x", Promise: Promise{Most: 10, Unit: unitRequests, Median: true}}
	one := func(figure float64, stopped bool) *round {
		return &round{Round: Round{Figure: figure, Stopped: stopped, Bytes: uint64(figure) * 100, EventToCutMS: figure}}
	}
	tests := map[string]struct {
		scenario Scenario
		rounds   []*round
		want     Report
	}{
		"all within": {
			each,
			[]*round{one(3, true), one(10, true), one(1, true)},
			Report{Stopped: 3, Median: 3, P95: 10, Max: 10, BytesMedian: 300, BytesMax: 1000, EventToCutMS: 3, Kept: true},
		},
		"one beyond": {
			each,
			[]*round{one(3, true), one(11, true), one(1, true)},
			Report{Stopped: 3, Median: 3, P95: 11, Max: 11, BytesMedian: 300, BytesMax: 1100, EventToCutMS: 3},
		},
		"one beyond, where half is promised": {
			half,
			[]*round{one(3, true), one(11, true), one(1, true)},
			Report{Stopped: 3, Median: 3, P95: 11, Max: 11, BytesMedian: 300, BytesMax: 1100, EventToCutMS: 3, Kept: true},
		},
		"one that was not played keeps nothing": {
			each,
			[]*round{one(3, true), {Round: Round{Figure: 1, Bytes: 100, Failed: "no answer came"}}, one(1, true)},
			Report{Stopped: 2, Median: 1, P95: 3, Max: 3, BytesMedian: 100, BytesMax: 300, EventToCutMS: 1},
		},
		"one got away with little": {
			half,
			[]*round{one(3, true), one(4, false), one(1, true)},
			Report{Stopped: 2, Median: 3, P95: 4, Max: 4, BytesMedian: 300, BytesMax: 400, EventToCutMS: 1},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.want.Played = len(tt.rounds)
			if name == "one that was not played keeps nothing" {
				tt.want.Played--
			}
			got := newReport(tt.scenario, tt.rounds)
			if len(got.Rounds) != len(tt.rounds) {
				t.Errorf("%d rounds", len(got.Rounds))
			}
			tt.want.Scenario, tt.want.Promise = "x", tt.scenario.Promise
			if got.Played != tt.want.Played || got.Stopped != tt.want.Stopped || got.Median != tt.want.Median || got.P95 != tt.want.P95 || got.Max != tt.want.Max ||
				got.BytesMedian != tt.want.BytesMedian || got.BytesMax != tt.want.BytesMax || got.EventToCutMS != tt.want.EventToCutMS || got.Kept != tt.want.Kept {
				t.Errorf("report is %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestExplainFindsTheVerdict looks a round up in the books by each of its names.
func TestExplainFindsTheVerdict(t *testing.T) {
	stops := map[string]Stop{
		"session": {Action: "revoke", Signal: "net.concurrent_places", EventToCut: 12500 * time.Microsecond},
		"subject": {Action: "step_up", Signal: "volume.bytes_out", EventToCut: time.Second},
		"late":    {Action: "block"},
	}
	tests := map[string]struct {
		targets []string
		known   bool
		action  string
		ms      float64
	}{
		"the first name that is known counts": {[]string{"token", "session", "subject"}, true, "revoke", 12.5},
		"another name":                        {[]string{"subject"}, true, "step_up", 1000},
		"a verdict that ended nothing yet":    {[]string{"late"}, false, "", 0},
		"nobody":                              {nil, false, "", 0},
	}
	for name, tt := range tests {
		r := &round{targets: tt.targets}
		if r.explain(stops) != tt.known || r.Action != tt.action || r.EventToCutMS != tt.ms {
			t.Errorf("%s: %+v", name, r.Round)
		}
	}
}
