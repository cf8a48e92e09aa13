package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// Flow 1 and 5: code with PKCE, and sign-out at the gateway and the provider.
func TestSignInAndOut(t *testing.T) {
	s := newSignInRig(t)
	s.start(t, true)
	b := s.browser(t)

	page := b.signIn("/app/1?q=2", "alice", password).told(t)
	if page["path"] != "/app/1?q=2" {
		t.Errorf("came back to %q, want the page that was asked for", page["path"])
	}
	if want := s.names.Subject(s.op.Issuer(), "alice"); page["subject"] != want {
		t.Errorf("the upstream was told subject %q, want %q", page["subject"], want)
	}
	if strings.Contains(page["cookie"], "vigil") {
		t.Errorf("the upstream was sent our cookies: %q", page["cookie"])
	}
	for _, c := range b.cookies() {
		if c.Value == "planted" {
			t.Error("the upstream has planted a cookie of ours")
		}
	}
	in := s.awaitHappening(t, event.ReasonLogin, 1)[0]
	if in.Session != page["session"] || in.Subject != page["subject"] || in.AuthOutcome != event.AuthSuccess || in.Device == "" || in.AuthTime == nil {
		t.Errorf("session event %v, want that of session %s", in, page["session"])
	}

	// Somebody copies the cookies before the sign-out; a stream is open.
	thief := b.copyOf()
	ws, _, err := b.socket()
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, ws)
	ask := b.get("/.vigil/logout")
	if ask.Status != http.StatusOK || !strings.Contains(ask.Text, "Sign out?") {
		t.Fatalf("GET logout shows %d %s", ask.Status, ask.Text)
	}
	atOP := b.submit(ask, url.Values{})
	if code := closed(t, ws); code != websocket.StatusPolicyViolation {
		t.Errorf("WebSocket ended with %d, want 1008", code)
	}
	if atOP.URL.Host == strings.TrimPrefix(s.home, "https://") || !strings.Contains(atOP.Text, "form") {
		t.Fatalf("after sign-out the browser is at %s: %s, want the provider's page", atOP.URL, atOP.Text)
	}
	last := b.submit(atOP, url.Values{"logout": {"yes"}})
	if last.Status != http.StatusOK || last.URL.Path != "/.vigil/signed-out" {
		t.Errorf("signed out at %s: %d %s", last.URL, last.Status, last.Text)
	}
	if got := thief.get("/app/1", "Accept", "application/json"); got.Status != http.StatusUnauthorized {
		t.Errorf("a copied cookie after sign-out: %d, want 401", got.Status)
	}
	if again := b.get("/app/1"); !strings.Contains(again.Text, "Test provider") {
		t.Errorf("after sign-out a page shows %s: %s", again.URL, again.Text)
	}
	s.awaitHappening(t, event.ReasonLogout, 1)
}
