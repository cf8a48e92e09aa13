package login_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/login"
)

// cluster is gateways that share a key ring and a provider.
type cluster struct {
	op   *fakeOP
	rigs []*rig
}

func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	c := &cluster{}
	ring := ringFile(t, 1)
	var peers []login.Peer
	for i := range n {
		g := &rig{t: t, at: noon}
		if i == 0 {
			g.op = newOP(t, g.now)
			c.op = g.op
		}
		g.op = c.op
		c.rigs = append(c.rigs, g)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			m, ours, err := g.login.Match(r)
			if !ours || err != nil {
				http.NotFound(w, r)
				return
			}
			g.login.Serve(w, r, m.Route, login.Visitor{}, nil)
		}))
		t.Cleanup(server.Close)
		peers = append(peers, login.Peer{ID: fmt.Sprint("gw-", i+1), URL: server.URL})
	}
	for i, g := range c.rigs {
		g.id = peers[i].ID
		g.start(config(ring, c.op.URL), func(c *login.Config) { c.Peers = peers })
	}
	return c
}

func (c *cluster) pass(d time.Duration) {
	for _, g := range c.rigs {
		g.pass(d)
	}
}

func (c *cluster) settled() {
	for _, g := range c.rigs {
		g.settled()
	}
}

// A refresh token that may be used once is used once, whichever gateways a browser
// happens to reach.
func TestOneGatewayRenewsASession(t *testing.T) {
	c := newCluster(t, 3)
	spent := make(map[string]int)
	c.op.refresh = func(form url.Values) (int, object) {
		spent[form.Get("refresh_token")]++
		return 200, object{"access_token": "at", "token_type": "Bearer", "expires_in": 600, "refresh_token": fmt.Sprint("rt-", c.op.refreshes+1)}
	}
	p := c.rigs[0].person()
	p.signIn()
	for range 4 {
		c.pass(9 * time.Minute)
		for range 3 { // An asker whose owner is at it asks again.
			var wg sync.WaitGroup
			for i := range 30 {
				g := c.rigs[i%3]
				r := p.request(http.MethodGet, "/page")
				wg.Go(func() { _, _ = g.login.Recognise(r, login.Visitor{UserAgent: "test"}) })
			}
			wg.Wait()
			c.settled()
			c.pass(10 * time.Second)
		}
	}
	if n := c.op.renewed(); n != 4 {
		t.Errorf("%d refreshes, want 4", n)
	}
	for token, n := range spent {
		if n > 1 {
			t.Errorf("refresh token %s was used %d times", token, n)
		}
	}
	newest := make(map[string]bool)
	for i, g := range c.rigs {
		got, err := g.login.Recognise(p.request(http.MethodGet, "/page"), login.Visitor{})
		if err != nil {
			t.Fatalf("gateway %d: %v", i+1, err)
		}
		newest[got.Identity.TokenID] = true
	}
	if len(newest) != 1 {
		t.Errorf("the gateways know %d states of the session, want the newest alone", len(newest))
	}
}

// Whoever replays a cookie from before a step-up, at a gateway that has not heard of
// it, must not sign its person out there.
func TestAReplacedCookieAtAnotherGatewayEndsNoSession(t *testing.T) {
	c := newCluster(t, 2)
	for range 6 { // Some of them are the first gateway's.
		p := c.rigs[0].person()
		p.signIn()
		old := &person{g: c.rigs[1], cookies: p.clone().cookies}
		c.pass(2 * time.Minute)
		if _, a := p.answer(p.begin("/.vigil/login?confirm=1")); a.Status != http.StatusSeeOther {
			t.Fatalf("step-up: %+v", a)
		}
		c.pass(9 * time.Minute)
		_, _ = old.use()
		c.settled()
		now := &person{g: c.rigs[1], cookies: p.clone().cookies}
		_, err := now.use()
		if err != nil || c.rigs[1].cuts() > 0 {
			t.Fatalf("the session after its step-up: %v, and %d cuts", err, c.rigs[1].cuts())
		}
	}
}

// An owner that is away leaves its sessions to whoever has them.
func TestOwnerAway(t *testing.T) {
	c := newCluster(t, 2)
	for _, g := range c.rigs {
		g.start(config(ringFile(t, 1), c.op.URL), func(c *login.Config) {
			c.Peers = []login.Peer{{ID: "gw-1", URL: "http://127.0.0.1:1"}, {ID: "gw-2", URL: "http://127.0.0.1:1"}}
		})
	}
	g := c.rigs[0]
	for range 8 { // Half of them are the other's.
		p := g.person()
		p.signIn()
		c.pass(9 * time.Minute)
		_, err := p.use()
		if err != nil {
			t.Fatal(err)
		}
		g.settled()
	}
	if n := c.op.renewed(); n != 8 {
		t.Errorf("%d refreshes, want 8", n)
	}
}

// What ends a session at one gateway ends it at all.
func TestLogoutIsToldToPeers(t *testing.T) {
	await := func(t *testing.T, p *person, code string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			_, err := p.clone().use()
			if err != nil {
				wantFault(t, err, code)
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("the session goes on at the other gateway")
			}
		}
	}
	t.Run("by the person", func(t *testing.T) {
		c := newCluster(t, 2)
		here := c.rigs[0].person()
		here.signIn()
		there := &person{g: c.rigs[1], cookies: here.clone().cookies}
		_, err := there.use()
		if err != nil {
			t.Fatal(err)
		}
		here.visit(here.request(http.MethodPost, "/.vigil/logout", "Sec-Fetch-Site", "same-origin"))
		await(t, there, login.CodeEnded)
		if n := c.rigs[1].cuts(); n != 1 {
			t.Errorf("%d verdicts at the other gateway, want 1", n)
		}
	})
	t.Run("by the provider, whose token each gateway checks", func(t *testing.T) {
		c := newCluster(t, 2)
		here := c.rigs[0].person()
		here.signIn()
		there := &person{g: c.rigs[1], cookies: here.clone().cookies}
		_, err := there.use()
		if err != nil {
			t.Fatal(err)
		}
		token := c.op.token(object{"alg": "EdDSA", "kid": "k1", "typ": "logout+jwt"}, c.op.logout(nil))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/.vigil/backchannel-logout", strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		_, a := c.rigs[0].person().visit(r)
		if a.Status != http.StatusOK {
			t.Fatalf("logout token: %+v", a)
		}
		await(t, there, login.CodeEnded)
	})
}

// A logout token that another gateway passes on is checked like one of the provider's
// own: the key ring makes nobody the provider, and each token counts once, by whichever
// way it comes first.
func TestALogoutTokenIsCheckedByEachGateway(t *testing.T) {
	c := newCluster(t, 2)
	there := c.rigs[1]
	p := there.person()
	p.signIn()
	relay := func(token string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/.vigil/peer", strings.NewReader(c.rigs[0].login.SealedToken(token)))
		_, a := there.person().visit(r)
		return a.Status
	}
	typed := object{"alg": "EdDSA", "kid": "k1", "typ": "logout+jwt"}
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	for name, token := range map[string]string{
		"a forged relay, signed by somebody else":    (&fakeOP{key: key}).token(typed, c.op.logout(nil)),
		"a relayed token for another client":         c.op.token(typed, c.op.logout(object{"aud": "other"})),
		"a relayed token of yesterday":               c.op.token(typed, c.op.logout(object{"iat": noon.Add(-24 * time.Hour).Unix()})),
		"a relayed ID token":                         c.op.token(object{"alg": "EdDSA", "kid": "k1", "typ": "JWT"}, c.op.claims(nil)),
		"a relayed token of a provider nobody knows": c.op.token(typed, c.op.logout(object{"iss": "https://evil.test"})),
	} {
		t.Run(name, func(t *testing.T) {
			status := relay(token)
			_, err := p.use()
			if status != http.StatusForbidden || err != nil || there.cuts() != 0 {
				t.Errorf("answered with %d, session %v, %d verdicts; want 403 and nothing", status, err, there.cuts())
			}
		})
	}
	token := c.op.token(typed, c.op.logout(nil))
	for range 3 { // Told again, for the first answer may have been lost.
		if status := relay(token); status != http.StatusOK {
			t.Errorf("the provider's word, passed on: %d, want 200", status)
		}
	}
	_, err := p.use()
	wantFault(t, err, login.CodeEnded)
	if n := there.cuts(); n != 2 {
		t.Errorf("%d verdicts, want one on our session and one on the provider's", n)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/.vigil/backchannel-logout", strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if _, a := there.person().visit(r); a.Status != http.StatusBadRequest {
		t.Errorf("replayed at the back channel after it was passed on: %+v, want 400", a)
	}
}

// A gateway that cannot ask the provider for its keys says so, and is told again.
func TestALogoutTokenThatCannotBeCheckedYet(t *testing.T) {
	c := newCluster(t, 2)
	token := c.op.token(object{"alg": "EdDSA", "kid": "k1", "typ": "logout+jwt"}, c.op.logout(nil))
	c.op.Close()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/.vigil/peer", strings.NewReader(c.rigs[0].login.SealedToken(token)))
	if _, a := c.rigs[1].person().visit(r); a.Status != http.StatusServiceUnavailable {
		t.Errorf("answer %+v, want 503", a)
	}
}

// cuts is how many verdicts a gateway was given.
func (g *rig) cuts() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.verdicts)
}

// Nobody without the key ring is a peer.
func TestForgedPeer(t *testing.T) {
	c := newCluster(t, 1)
	g := c.rigs[0]
	p := g.person()
	p.signIn()
	for name, body := range map[string]string{
		"nothing": "", "plain": `{"i":"x"}`, "a session cookie": p.cookies["__Host-vigil"], "a device": p.cookies["__Host-vigil-device"],
		"too long": strings.Repeat("A", 64<<10),
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/.vigil/peer", io.NopCloser(strings.NewReader(body)))
			_, a := g.person().visit(r)
			if a.Status != http.StatusForbidden {
				t.Errorf("answer %+v, want 403", a)
			}
		})
	}
}

// All gateways name the same owner; the loss of one moves only its sessions.
func TestOwner(t *testing.T) {
	var all []login.Peer
	for i := range 5 {
		all = append(all, login.Peer{ID: fmt.Sprint("gw-", i)})
	}
	turned := append(append([]login.Peer{}, all[2:]...), all[:2]...)
	count := make(map[string]int)
	for i := range 5000 {
		s := fmt.Sprint("session-", i)
		o := login.OwnerOf(all, s)
		count[o]++
		if got := login.OwnerOf(turned, s); got != o {
			t.Fatalf("in another order %s owns %s, not %s", got, s, o)
		}
		if got := login.OwnerOf(all[1:], s); o != "gw-0" && got != o {
			t.Fatalf("without gw-0 %s owns %s, not %s", got, s, o)
		}
	}
	for id, n := range count {
		if n < 850 || n > 1150 {
			t.Errorf("%s owns %d of 5000", id, n)
		}
	}
}
