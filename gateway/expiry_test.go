package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// A stream ends when the credential does that opened it, with the issuer's leeway, and
// says so in its own words and in its event, whatever else its session has shown; on a
// route that says otherwise it goes on.
func TestStreamEndsWithItsCredential(t *testing.T) {
	g := newRig(t, app)
	var off atomic.Int64
	g.clock = func() time.Time { return stepped(t, time.Duration(off.Load())) }
	upstream := g.config.Routes[0].Upstream
	g.config.Routes = append(g.config.Routes, route.Spec{
		ID: "forever", Path: "/events", Host: "forever.test", Upstream: upstream, Streams: &route.StreamsSpec{Expiry: route.ExpiryIgnore},
	})
	g.config.Proxy.TickEvery = 20 * time.Millisecond
	key := g.apiKey(t, identity.APIKey{ID: "vk_robot", Subject: "robot", Scopes: []string{"read"}, Expires: time.Now().Add(11 * time.Minute)})
	g.start(t, true)

	mint := func(user string, lasts time.Duration) string {
		return g.provider.Mint(idp.Claims{Subject: user, SessionID: "sid-" + user, Scope: "read", Expires: time.Now().Add(lasts)})
	}
	open := func(host string, credential http.Header) <-chan string {
		r := g.request(t, http.MethodGet, "/events", "", nil)
		r.Host, r.Header = host, credential
		res, err := client(t).Do(r)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("open: %v, %v", res, err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		rest := make(chan string, 1)
		go func() {
			b, _ := io.ReadAll(res.Body) // How it ends is in its text.
			rest <- string(b)
		}()
		return rest
	}
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	const soon, long = 10 * time.Minute, time.Hour
	streams := map[string]<-chan string{
		"token":     open("", bearer(mint("token", soon))),
		"key":       open("", http.Header{"X-Api-Key": {key}}),
		"not yet":   open("", bearer(mint("not-yet", long))),
		"route":     open("forever.test", bearer(mint("route", soon))),
		"refreshed": open("", bearer(mint("refreshed", soon))),
	}
	// A thief's stream must not live by what its owner shows later.
	res, text := do(t, g.request(t, http.MethodGet, "/pages/7", mint("refreshed", long), nil))
	if res.StatusCode != http.StatusOK {
		t.Fatalf("a newer token: %d %s", res.StatusCode, text)
	}

	none := func(when string, names ...string) {
		t.Helper()
		for _, name := range names {
			select {
			case text := <-streams[name]:
				t.Errorf("%s: %s has ended with %q", when, name, text)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	all := func(code string, names ...string) {
		t.Helper()
		for _, name := range names {
			select {
			case text := <-streams[name]:
				if !strings.Contains(text, "event: vigil.revoked") || !strings.Contains(text, `"code":"`+code+`"`) {
					t.Errorf("%s is told %q, want %s", name, text, code)
				}
			case <-time.After(patience):
				t.Errorf("%s goes on", name)
			}
		}
	}
	off.Store(int64(10*time.Minute + 30*time.Second)) // Within the leeway of a minute.
	none("in the leeway", "token", "key")
	off.Store(int64(12 * time.Minute))
	all(identity.CodeExpired, "token", "refreshed")
	all(identity.CodeAPIKeyExpired, "key")
	none("long before the end", "not yet", "route")
	off.Store(int64(2 * time.Hour))
	all(identity.CodeExpired, "not yet")
	none("on a route that ignores it", "route")

	err := g.stop()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range g.events(t)["events"] {
		if e.GetPhase() == event.PhaseClose && (e.GetDecision() != event.DecisionPermit || e.GetStream() != event.StreamSSE ||
			e.GetReason() != identity.CodeExpired && e.GetReason() != identity.CodeAPIKeyExpired) {
			t.Errorf("closed as %s %s %s", e.GetDecision(), e.GetStream(), e.GetReason())
		}
	}
	if n := len(g.enforcements(t)); n != 0 {
		t.Errorf("%d receipts for verdicts that ended nothing", n)
	}
}

// apiKey has the gateway accept an API key.
func (g *rig) apiKey(t *testing.T, entry identity.APIKey) string {
	t.Helper()
	pepper, dir := bytes.Repeat([]byte("p"), 32), t.TempDir()
	key, entry, err := identity.NewAPIKey(pepper, entry)
	must(0, err)
	c := identity.APIKeys{Header: "X-Api-Key", KeysFile: filepath.Join(dir, "keys.json"), PepperFile: filepath.Join(dir, "pepper")}
	must(0, os.WriteFile(c.KeysFile, must(json.Marshal(entry)), 0o600))
	must(0, os.WriteFile(c.PepperFile, pepper, 0o600))
	g.config.Identity.APIKeys = c
	return key
}
