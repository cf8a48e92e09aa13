package evidence_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// own and others are pages in the order in which the world's subject uses them, and
// somebody else does.
var own, others = []string{"/inbox", "/ticket", "/answer"}, []string{"/ledger", "/invoice", "/payment"}

func symbol(page string) sequence.Symbol { return sequence.SymbolOfRequest("GET", page) }

// bothOrders is an epoch that knows both. Nothing writes to an epoch, so that all
// worlds have the same.
var bothOrders = sync.OnceValue(func() *epoch.Epoch {
	shared := sequence.NewShared()
	for i := range 3000 {
		shared.Add(symbol(own[i%3]), symbol(own[(i+1)%3]))
		shared.Add(symbol(others[i%3]), symbol(others[(i+1)%3]))
		if i < 600 {
			shared.Tails[sequence.Human].Observe(float64(i%40) / 80)
		}
	}
	return epoch.Build(nil, &epoch.Summary{Sequence: shared})
})

// ordered gives the world's subject an order of his own, inbox, ticket and
// answer, and his tenant an epoch that also knows another.
func (w *world) ordered() {
	w.subject.Sequence, w.session.Watch = new(sequence.Habit), new(sequence.Watch)
	for i := range 600 {
		w.subject.Sequence.Learn(symbol(own[i%3]), symbol(own[(i+1)%3]), 0)
	}
	w.tenant.Shared.Activate(bothOrders())
}

// stepTo is a finished request for a template.
func stepTo(template, kind string) *event.RequestEvent {
	return with(answered(template, 0), func(e *event.RequestEvent) { e.Method, e.SubjectKind = "GET", kind })
}

func orderCases() map[string]signalCase {
	round := func(n int, kind string, names ...string) []step {
		return many(n, 10*time.Second, func(i int) *event.RequestEvent { return stepTo(names[i%len(names)], kind) })
	}
	return map[string]signalCase{
		"sixty steps in the subject's own order":    {evidence.Takeover, false, round(60, event.SubjectHuman, "/inbox", "/ticket", "/answer"), 0, 0, true},
		"sixty steps of a colleague":                {evidence.Takeover, false, round(60, event.SubjectHuman, "/ledger", "/invoice", "/payment"), 3, 6, true},
		"three steps of a colleague":                {evidence.Takeover, false, round(3, event.SubjectHuman, "/ledger", "/invoice", "/payment"), 0, 0, true},
		"a kind of subject that has no curve":       {evidence.Takeover, false, round(60, event.SubjectService, "/ledger", "/invoice", "/payment"), 0, 0, true},
		"steps to nobody knows where":               {evidence.Takeover, false, round(60, event.SubjectHuman, ""), 0, 0, true},
		"what an address does is in nobody's order": {evidence.Takeover, true, round(60, "", "/ledger", "/invoice", "/payment"), 0, 0, true},
		"a stream that goes on takes no steps at all": {evidence.Takeover, false, many(60, time.Second, func(int) *event.RequestEvent {
			return with(stepTo("/ledger", ""), func(e *event.RequestEvent) { e.Phase = event.PhaseTick })
		}), 0, 0, true},
	}
}

// TestOrderSaysWhat reads the sentence.
func TestOrderSaysWhat(t *testing.T) {
	w := newWorld(false)
	text := ""
	for i := range 40 {
		names := []string{"/ledger", "/invoice", "/payment"}
		if f, ok := w.see(step{time.Second, stepTo(names[i%3], "")})[evidence.Takeover]; ok {
			text = f.Text
		}
	}
	if want := "40 of the last 40 steps are unlike this subject's own order, such as /ledger after /payment"; text != want {
		t.Errorf("says %q, want %q", text, want)
	}
}

// TestReleaseIsNoTakeover leads somebody through new pages that others have begun
// to use in many networks.
func TestReleaseIsNoTakeover(t *testing.T) {
	level := func(others int) float64 {
		w := newWorld(false)
		for i := range others {
			o := newWorld(false)
			o.tenant = w.tenant
			for n := range 3 {
				o.see(step{time.Second, with(stepTo(fmt.Sprint("/v2/", n), ""), func(e *event.RequestEvent) { e.Subject, e.Asn = fmt.Sprint("p", i), 3320+uint32(i) })})
			}
		}
		for i := range 60 {
			w.see(step{time.Second, stepTo(fmt.Sprint("/v2/", i%3), "")})
		}
		return w.session.Watch.Level
	}
	alone, among := level(0), level(12)
	if !(alone > 1 && among < alone/2) {
		t.Errorf("level %.2f of who is alone with it, %.2f of one among twelve; want less than half", alone, among)
	}
}
