package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// shop is a service that is open to everybody and greets whom it knows.
func shop(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/news") {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: "+r.Header.Get("X-Vigil-Subject")+"\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	for _, name := range []string{"X-Vigil-Subject", "X-Vigil-Session", "X-Vigil-Assertion", "Authorization"} {
		if r.Header.Get(name) != "" {
			_, _ = io.WriteString(w, name+" ")
		}
	}
}

// A route that is open to everybody lets him in whom a verdict has ended, and the
// service must not take him for who he was: it would go on with the session that the
// gateway has ended.
func TestARevokedSessionIsNobodyOnAPublicRoute(t *testing.T) {
	const known, nobody = "X-Vigil-Subject X-Vigil-Session Authorization ", ""
	for _, tt := range []struct {
		action, method, kind string
		want                 string
	}{
		{verdict.ActionObserve, http.MethodGet, verdict.TargetSession, known},
		{verdict.ActionThrottle, http.MethodGet, verdict.TargetSession, known},
		{verdict.ActionReadOnly, http.MethodGet, verdict.TargetSession, known},
		{verdict.ActionReadOnly, http.MethodPost, verdict.TargetSession, nobody},
		{verdict.ActionStepUp, http.MethodGet, verdict.TargetSession, nobody},
		{verdict.ActionRevoke, http.MethodGet, verdict.TargetSession, nobody},
		{verdict.ActionBlock, http.MethodGet, verdict.TargetSubject, nobody},
	} {
		t.Run(tt.action+" "+tt.method, func(t *testing.T) {
			g := newRig(t, shop)
			g.start(t, true)
			id := g.session("ann")
			if tt.kind == verdict.TargetSubject {
				id = g.names.Subject(g.provider.Issuer(), "ann")
			}
			g.revoke(t, tt.action, tt.kind, id)
			for range 12 { // More than a throttled session has at once.
				res, body := do(t, g.request(t, tt.method, "/open", g.token("ann"), nil))
				if res.StatusCode != http.StatusOK || body != tt.want {
					t.Fatalf("%d, the service sees %q, want %q", res.StatusCode, body, tt.want)
				}
			}
			_, body := do(t, g.request(t, tt.method, "/open", g.token("bob"), nil))
			if body != known {
				t.Errorf("of another the service sees %q", body)
			}
		})
	}
}

// What such a service has told somebody who was known ends with his session.
func TestAStreamOfAPublicRouteEndsWithItsSession(t *testing.T) {
	g := newRig(t, shop)
	g.config.Routes = append(g.config.Routes, route.Spec{ID: "news", Path: "/news", Upstream: g.config.Routes[0].Upstream, Public: true})
	g.start(t, true)
	open := func(token string) io.Reader {
		res, err := client(t).Do(g.request(t, "GET", "/news", token, nil))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res.Body
	}
	own := open(g.token("ann"))
	g.revoke(t, verdict.ActionRevoke, verdict.TargetSession, g.session("ann"))
	text, err := io.ReadAll(own)
	if err != nil || !strings.Contains(string(text), "event: vigil.revoked") {
		t.Errorf("the stream ended with %q, %v", text, err)
	}
	again := open(g.token("ann"))
	b := make([]byte, len("data: \n\n"))
	_, err = io.ReadFull(again, b)
	if err != nil || string(b) != "data: \n\n" {
		t.Errorf("opened again: %q, %v, want a stream of nobody's", b, err)
	}
}
