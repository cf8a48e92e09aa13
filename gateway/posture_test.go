package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// When the analyzer falls silent, the streams that are open end or go on as their
// routes' postures say, and those that end are told when to come back.
func TestPosturesHoldForOpenStreams(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	for id, posture := range map[string]string{"allows": route.PostureAllow, "steps-up": route.PostureStepUp, "denies": route.PostureDeny} {
		g.config.Routes = append(g.config.Routes, route.Spec{ID: id, Path: "/" + id, Upstream: g.config.Routes[0].Upstream, Posture: posture})
	}
	g.config.StaleMax = 2 * time.Second
	g.start(t, true)
	type stream struct {
		path  string
		proof time.Duration // How long ago the person proved himself; 0 for never.
		ends  string        // The code that he is told, empty where the stream goes on.
		rest  chan string
	}
	streams := map[string]*stream{
		"on a route that allows":                            {path: "/allows"},
		"on a route that denies":                            {path: "/denies", proof: time.Second, ends: "standing_unknown"},
		"on a route that steps up, signed in just now":      {path: "/steps-up", proof: time.Second},
		"on a route that steps up, signed in long ago":      {path: "/steps-up", proof: time.Hour, ends: "step_up_required"},
		"on a route that steps up, nobody knows since when": {path: "/steps-up", ends: "step_up_required"},
	}
	for name, s := range streams {
		c := idp.Claims{Subject: name, SessionID: name}
		if s.proof > 0 {
			c.AuthTime = time.Now().Add(-s.proof)
		}
		res, err := client(t).Do(g.request(t, "GET", s.path, g.provider.Mint(c), nil))
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v, %v", name, res, err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		s.rest = make(chan string, 1)
		go func() {
			b, _ := io.ReadAll(res.Body) // How it ends is in its text.
			s.rest <- string(b)
		}()
	}
	for name, s := range streams {
		if s.ends == "" {
			continue
		}
		select {
		case text := <-s.rest:
			if !strings.Contains(text, "event: vigil.revoked") || !strings.Contains(text, s.ends) || !strings.Contains(text, "\nretry: ") {
				t.Errorf("%s: %q, want %s", name, text, s.ends)
			}
		case <-time.After(patience):
			t.Errorf("%s: goes on", name)
		}
	}
	for name, s := range streams {
		if s.ends != "" {
			continue
		}
		select {
		case text := <-s.rest:
			t.Errorf("%s: was told %q", name, text)
		default:
		}
	}
	// Of somebody whose lane is known to be stale: others' lanes become so in their own time.
	again := g.provider.Mint(idp.Claims{Subject: "on a route that denies", SessionID: "on a route that denies"})
	if res, body := do(t, g.request(t, "GET", "/denies", again, nil)); res.StatusCode != 503 {
		t.Errorf("a request that comes now: %d %s", res.StatusCode, body)
	}
	err := g.stop()
	if err != nil {
		t.Fatal(err)
	}
	if receipts := g.enforcements(t); len(receipts) > 0 {
		t.Errorf("receipts of no verdict: %v", receipts)
	}
	decisions := make(map[string]int)
	for _, events := range g.events(t) {
		for _, e := range events {
			if e.GetPhase() == event.PhaseClose {
				decisions[e.GetDecision()+" "+e.GetReason()]++
			}
		}
	}
	if decisions["cut standing_unknown"] != 1 || decisions["cut step_up_required"] != 2 {
		t.Errorf("the streams' last events: %v", decisions)
	}
}
