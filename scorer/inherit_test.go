package scorer_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestARefreshWashesNothingAway lets a session go on under a new name, as it does
// where each token is a session of its own, and compares what the two are suspected
// of. The same facts seen again add nothing.
func TestARefreshWashesNothingAway(t *testing.T) {
	const chrome, firefox = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36", "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0"
	tests := map[string]struct {
		next   func(*event.RequestEvent)
		owner  bool    // Goes on in his own session, in the same program.
		lo, hi float64 // Of what the old session was suspected of.
	}{
		"the same client on the same network":      {func(*event.RequestEvent) {}, false, 0.95, 1.05},
		"while the owner goes on":                  {func(*event.RequestEvent) {}, true, 0.95, 1.05},
		"with another user agent, the same prefix": {func(e *event.RequestEvent) { e.UserAgent = firefox }, false, 0.95, 2},
		"from another network, the same device":    {func(e *event.RequestEvent) { e.UserAgent, e.Address, e.Asn = firefox, "198.18.0.9", 64777 }, false, 0.95, 2},
		"nothing in common": {func(e *event.RequestEvent) {
			e.UserAgent, e.Address, e.Asn, e.Device = firefox, "198.51.100.7", 3320, ""
		}, false, 0, 0.6},
		"signed in anew, half a step-up and the facts": {func(e *event.RequestEvent) { e.AuthTime = timestamppb.New(e.GetTime().AsTime()) }, false, 1.4, 1.7},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := scorer.New(scorer.Options{Model: model.Default(), OfflineClock: true})
			if err != nil {
				t.Fatal(err)
			}
			now := start
			send := func(in time.Duration, session string, change func(*event.RequestEvent)) float64 {
				now = now.Add(in)
				ev := &event.RequestEvent{
					Kind: event.KindRequest, Phase: event.PhaseComplete, Time: timestamppb.New(now), Tenant: "default", Subject: "alice", Session: session,
					Address: "198.51.100.7", Asn: 3320, Country: "DE", UserAgent: chrome, Method: "GET", Path: "/", Template: "/", Status: 200, BytesOut: 900,
				}
				change(ev)
				return e.Assess(scorer.Record{Event: ev, Topic: "t"}).Assessment.GetSessionScore()
			}
			home := func(*event.RequestEvent) {}
			for day := range 30 {
				for range 12 {
					send(5*time.Minute, fmt.Sprint("home-", day), func(ev *event.RequestEvent) { ev.Device = "laptop" })
				}
				now = now.Add(23 * time.Hour)
			}
			thief := func(ev *event.RequestEvent) {
				ev.Address, ev.Asn, ev.Country, ev.Device = "203.0.113.5", 64500, "BR", "burner"
			}
			if tt.owner {
				send(time.Second, "own", home)
			}
			var before float64
			for range 3 {
				before = send(time.Second, "token-1", thief)
			}
			if before < 6 {
				t.Fatalf("the first token is suspected of %.2f nats", before)
			}
			if tt.owner {
				send(time.Second, "own", home)
			}
			after := send(time.Second, "token-2", func(ev *event.RequestEvent) { thief(ev); tt.next(ev) })
			if share := after / before; share < tt.lo || share > tt.hi {
				t.Errorf("of %.2f nats the next session has %.2f", before, after)
			}
		})
	}
}
