package scorer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
)

// TestOperatorLifts walks ids until the walker is stopped, lets an operator say
// that it was a false alarm, and looks at the next ordinary request.
func TestOperatorLifts(t *testing.T) {
	tests := map[string]struct {
		control *event.RequestEvent
		want    string // The action after the next request; "" for any but observe.
	}{
		"nobody lifts":            {control: &event.RequestEvent{Kind: event.KindTick}},
		"another session":         {control: &event.RequestEvent{Kind: event.KindControl, Reason: event.ReasonClear, Session: "other"}},
		"another kind of control": {control: &event.RequestEvent{Kind: event.KindControl, Reason: "model", Session: "s1"}},
		"the session":             {control: &event.RequestEvent{Kind: event.KindControl, Reason: event.ReasonClear, Session: "s1"}, want: verdict.ActionObserve},
		"the subject":             {control: &event.RequestEvent{Kind: event.KindControl, Reason: event.ReasonClear, Subject: "ana"}, want: verdict.ActionObserve},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, true)
			now, offset := time.Duration(0), int64(0)
			assess := func(ev *event.RequestEvent) scorer.Result {
				now, offset = now+time.Second, offset+1
				ev.Time, ev.Id, ev.Tenant = at(now), fmt.Sprint(offset), "default"
				return e.Assess(scorer.Record{Event: ev, Topic: "vigil.requests", Offset: offset})
			}
			get := func(path, template, resource string) scorer.Result {
				return assess(&event.RequestEvent{
					Kind: event.KindRequest, Phase: event.PhaseComplete, Subject: "ana", Session: "s1", Address: "192.0.2.1",
					Method: "GET", Path: path, Template: template, Resource: resource, Status: 200,
				})
			}
			stopped := false
			for id := 1; id <= 60 && !stopped; id++ {
				for _, p := range get(fmt.Sprint("/accounts/", id), "/accounts/{id}", fmt.Sprint(id)).Proposals {
					stopped = stopped || verdict.Suspends(p.Action)
				}
			}
			if !stopped {
				t.Fatal("the walker was not stopped: this test needs a verdict to lift")
			}
			assess(tt.control)
			got := get("/", "/", "").Assessment.GetAction()
			if tt.want == "" && got == verdict.ActionObserve || tt.want != "" && got != tt.want {
				t.Errorf("action after the next request = %s, want %q (empty: still held)", got, tt.want)
			}
		})
	}
}
