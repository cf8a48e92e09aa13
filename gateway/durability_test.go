package gateway_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// A strict route calls no upstream while the request cannot be put on record, says
// so, and serves again by itself; the others go on meanwhile.
func TestAStrictRouteDoesNothingThatIsNotOnRecord(t *testing.T) {
	var called atomic.Int64
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/transfer") {
			called.Add(1)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	strict := g.config.Routes[0]
	strict.ID, strict.Path, strict.Durability = "transfer", "/transfer", route.DurabilityStrict
	g.config.Routes = append(g.config.Routes, strict)
	c := &g.config.Emit
	c.QueueRecordsMax, c.Drain = 8, 100*time.Millisecond
	c.Spool.SegmentBytes, c.Spool.BytesMax = spool.SegmentBytesMin, 4*spool.SegmentBytesMin
	g.start(t, true)
	get := func(path string) int {
		res, _ := do(t, g.request(t, "GET", path, "", nil))
		return res.StatusCode
	}
	if got := get("/transfer"); got != http.StatusNoContent || called.Load() != 1 {
		t.Fatalf("status %d, %d calls of the upstream, want 204 and 1", got, called.Load())
	}
	addr := g.broker.Addr()
	g.broker.Close()
	keep, refused := client(t), 0
	for range 20_000 { // Refusals, which give way to nothing.
		for range 50 {
			res, err := keep.Do(g.request(t, "GET", "/nowhere/"+strings.Repeat("x", 1500), "", nil))
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
		}
		res, err := keep.Do(g.request(t, "GET", "/transfer", "", nil))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusServiceUnavailable {
			refused++
			if res.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			break
		}
	}
	before := called.Load()
	if got := get("/transfer"); refused == 0 || got != http.StatusServiceUnavailable || called.Load() != before {
		t.Errorf("the spool is full: status %d, %d calls more of the upstream", got, called.Load()-before)
	}
	if _, text := g.admin(t, "GET", "/readyz?verbose", nil); !strings.Contains(text, "the spool keeps no events") {
		t.Errorf("the spool is full, and the gateway says %s", text)
	}
	if got := get("/open"); got != http.StatusNoContent {
		t.Errorf("the spool is full: another route gives %d, want 204", got)
	}
	var err error
	g.broker, err = broker.Start(broker.Options{Addr: addr, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.broker.Close)
	for deadline := time.Now().Add(patience); get("/transfer") != http.StatusNoContent; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a strict route stays refused, and the spool is empty again")
		}
	}
}

// Who holds as many requests open as he may must not take the places that strict
// requests need, or nobody could have one.
func TestStreamsOfOneAddressDoNotCloseStrictRoutes(t *testing.T) {
	hold, arrived, let := waiting(t)
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/open" {
			hold(w, r)
		}
	})
	strict := g.config.Routes[0]
	strict.ID, strict.Path, strict.Durability = "transfer", "/transfer", route.DurabilityStrict
	g.config.Routes = append(g.config.Routes, strict)
	g.config.Emit.Spool.InFlightMax = 8
	g.start(t, true)
	var streams sync.WaitGroup
	defer streams.Wait()
	defer let()
	attacker := from(t, "127.0.0.2", false)
	for range 2 * g.config.Emit.Spool.InFlightMax {
		streams.Go(func() {
			res, err := attacker.Do(g.request(t, "GET", "/open", "", nil))
			if err == nil {
				_ = res.Body.Close()
			}
		})
	}
	for range 2 * g.config.Emit.Spool.InFlightMax {
		<-arrived
	}
	expect(t, "a strict request beside them", from(t, "127.0.0.1", false), g.request(t, "POST", "/transfer", "", nil), "200")
}

// What an event says of a strict route's request that was refused is that.
func TestARefusalForWantOfDurabilityIsAnEvent(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	g.config.Routes[0].Durability = route.DurabilityStrict
	g.config.Emit.Spool.InFlightMax = 0 // No request has a place.
	g.start(t, true)
	res, text := do(t, g.request(t, "GET", "/open", "", nil))
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "not_durable") {
		t.Errorf("answer %d %s, want 503 not_durable", res.StatusCode, text)
	}
	err := g.stop()
	if err != nil {
		t.Fatal(err)
	}
	got := g.events(t)["open"]
	if len(got) != 1 || got[0].Decision != event.DecisionDeny || got[0].Reason != "not_durable" || got[0].Status != 503 {
		t.Errorf("events of the route: %v", got)
	}
}
