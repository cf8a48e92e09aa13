package evidence_test

import (
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// TestWhatIsNewStands lets a session that was begun somewhere new go on there.
func TestWhatIsNewStands(t *testing.T) {
	there := func() *event.RequestEvent { return saopaulo(chrome) }
	probing := func() *event.RequestEvent {
		return with(there(), func(e *event.RequestEvent) { e.Path, e.Status = "/wp-login.php", 404 })
	}
	home := func() *event.RequestEvent {
		return with(berlin(), func(e *event.RequestEvent) { e.Path, e.Status = "/wp-login.php", 404 })
	}
	tests := map[string]struct {
		in       time.Duration
		ev       *event.RequestEvent
		answered bool
		counted  float64 // Of what is new, in nats, when the event comes.
		said     bool
	}{
		"what is strange after an hour is his who is strange":  {in: time.Hour, ev: probing(), said: true},
		"an ordinary request after an hour says nothing again": {in: time.Hour, ev: there()},
		"what still counts is not said again":                  {in: time.Second, ev: probing(), counted: 5.5},
		"what has faded is":                                    {in: time.Second, ev: probing(), counted: 2, said: true},
		"after a silence nobody knows what has faded":          {in: 2 * time.Minute, ev: probing(), counted: 5.5, said: true},
		"who has proven himself is left alone":                 {in: time.Hour, ev: probing(), answered: true},
		"strange, but at home":                                 {in: time.Hour, ev: home()},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(false)
			if _, first := w.see(step{0, there()})[evidence.NewCountry]; !first {
				t.Fatal("the country is no news")
			}
			before := w.now
			w.now += int64(tt.in)
			w.session.Suspicion.Mark(int(evidence.NewCountry)).Peak = tt.counted
			if tt.answered {
				w.session.Pending.Settle()
			}
			n := 0
			for _, f := range w.collect.Collect(&evidence.Context{
				Event: tt.ev, Now: w.now, At: w.now, Before: before, Session: w.session, Subject: w.subject, Tenant: w.tenant,
				Agent: w.agents.Of(tt.ev.GetUserAgent()), Network: evidence.NetworkOf(tt.ev),
			}) {
				if f.Signal == evidence.NewCountry {
					n++
				}
			}
			if (n == 1) != tt.said || n > 1 {
				t.Errorf("said %d times, want %v", n, tt.said)
			}
		})
	}
}
