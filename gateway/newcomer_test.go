package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// TestVerdictReachesWhoWaits holds a newcomer's second request back until the
// verdict about his first is there: the upstream never sees it.
func TestVerdictReachesWhoWaits(t *testing.T) {
	var served atomic.Int64
	g := newRig(t, func(http.ResponseWriter, *http.Request) { served.Add(1) })
	g.config.Admit.NewcomerBurst, g.config.Admit.NewcomerHold = 1, 2*time.Second
	g.start(t, true)
	ask := func(agent string) (status int, code any) {
		r := g.request(t, "GET", "/pages/7", g.token("owner"), nil)
		r.Header.Set("User-Agent", agent)
		res, body := do(t, r)
		if res.StatusCode == http.StatusOK {
			return res.StatusCode, nil
		}
		return res.StatusCode, problemOf(t, body)["code"]
	}
	for _, agent := range []string{"owner's browser", "thief's script", "owner's browser"} {
		status, _ := ask(agent)
		if status != http.StatusOK {
			t.Fatalf("%s: %d", agent, status)
		}
	}
	type answer struct {
		status int
		code   any
	}
	got := make(chan answer, 1)
	go func() {
		status, code := ask("thief's script")
		got <- answer{status, code}
	}()
	asAdmin := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+adminToken) }
	for waiting := false; !waiting; {
		_, all := g.admin(t, "GET", "/v1/sessions", nil, asAdmin)
		waiting = strings.Contains(all, `"total":1`)
		if len(got) > 0 {
			t.Fatal("the second request from a new place does not wait")
		}
	}
	g.revoke(t, verdict.ActionRevoke, verdict.TargetSession, g.session("owner"))
	a := <-got
	if a.status != http.StatusUnauthorized || a.code != "session_revoked" {
		t.Errorf("who waited saw %d %v", a.status, a.code)
	}
	if served.Load() != 3 {
		t.Errorf("the upstream served %d requests, want the owner's two and the thief's first", served.Load())
	}
}

// TestNewcomerIsSentNothingBig holds the first byte of a download back until
// the verdict about it is there.
func TestNewcomerIsSentNothingBig(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/pages/big" {
			_, _ = w.Write(make([]byte, 100))
			return
		}
		_, _ = w.Write([]byte("page"))
	})
	g.config.Proxy.LongBytes = 100
	g.config.Admit.NewcomerHold = 2 * time.Second
	g.start(t, true)
	for _, path := range []string{"/pages/7", "/pages/big"} { // The owner has both at once.
		res, body := do(t, g.request(t, "GET", path, g.token("owner"), nil))
		if res.StatusCode != http.StatusOK || body == "" {
			t.Fatalf("%s: %d %q", path, res.StatusCode, body)
		}
	}
	thief := g.request(t, "GET", "/pages/big", g.token("owner"), nil)
	thief.Header.Set("User-Agent", "script")
	got := make(chan int, 1)
	go func() {
		res, err := client(t).Do(thief)
		if err != nil {
			got <- 0
			return
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		got <- len(b)
	}()
	asAdmin := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+adminToken) }
	for waiting := false; !waiting; {
		_, all := g.admin(t, "GET", "/v1/sessions", nil, asAdmin)
		waiting = strings.Contains(all, `"stream":"download"`)
		if len(got) > 0 {
			t.Fatalf("the thief has %d bytes before anybody could judge", <-got)
		}
	}
	g.revoke(t, verdict.ActionRevoke, verdict.TargetSession, g.session("owner"))
	if n := <-got; n != 0 {
		t.Errorf("the thief was sent %d bytes", n)
	}
	opened := 0
	for _, list := range g.events(t) {
		for _, e := range list {
			if e.GetPhase() == event.PhaseOpen {
				opened++
				if e.GetAttributes()[event.AttributeAnnounced] != "100" {
					t.Errorf("a download opened with %v, want the 100 bytes that it announced", e.GetAttributes())
				}
			}
		}
	}
	if opened != 2 {
		t.Errorf("%d downloads opened, want the owner's and the thief's", opened)
	}
}
