package gateway_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// twoGateways are gateways behind one address that share nothing but the key ring, and
// a browser whose connections reach both in turn, or only the one that only names.
// Access tokens live for so long until they are renewed.
func twoGateways(t *testing.T, renewed time.Duration) (s *signInRig, b *browser, only *atomic.Int64) {
	t.Helper()
	s = newSignInRig(t, func(s *signInRig) { s.opts.AccessTokenFor = renewed })
	second := *s.rig
	second.config.ID, second.config.Revoke.Dir = "gw-two", filepath.Join(t.TempDir(), "state")
	second.bind(t)
	second.config.Login.StateFile = filepath.Join(t.TempDir(), "endings")
	addresses := []string{s.config.Listen.Address, second.config.Listen.Address}
	for _, c := range []*login.Config{&s.config.Login, &second.config.Login} {
		c.Peers = []login.Peer{{ID: s.config.ID, URL: "https://" + addresses[0]}, {ID: second.config.ID, URL: "https://" + addresses[1]}}
		c.PeersCAFile = s.caFile
	}
	s.start(t, true)
	second.start(t, true)

	b = s.browser(t)
	tr := b.client.Transport.(*http.Transport)
	var turn atomic.Int64
	only = new(atomic.Int64)
	only.Store(-1)
	tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		u, _ := url.Parse(s.home)
		if address == u.Host {
			at := turn.Add(1) % 2
			if o := only.Load(); o >= 0 {
				at = o
			}
			address = addresses[at]
		}
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	tr.DisableKeepAlives = true // Each request takes its turn.
	return s, b, only
}

// Two gateways behind one address: sessions go on whichever a connection reaches,
// refresh tokens are used once, and a sign-out at one ends what is open at the other.
func TestTwoGatewaysBehindOneAddress(t *testing.T) {
	s, b, only := twoGateways(t, 4*time.Second)
	page := b.signIn("/app/1", "alice", password).told(t)
	only.Store(1)
	ws, _, err := b.socket()
	if err != nil {
		t.Fatal(err)
	}
	only.Store(-1)
	for until := time.Now().Add(9 * time.Second); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		if told := b.get("/app/2").told(t); told["session"] != page["session"] {
			t.Fatalf("session %s, want %s", told["session"], page["session"])
		}
	}
	echoes(t, ws)
	s.awaitHappening(t, event.ReasonRefresh, 2)
	copied := b.copyOf()
	copied.client.Transport = b.client.Transport

	only.Store(0) // The sign-out reaches the gateway that does not have the stream.
	got := b.do(http.MethodPost, "/.vigil/logout", url.Values{}, true, "Sec-Fetch-Site", "same-origin")
	if got.Status != http.StatusSeeOther {
		t.Fatalf("sign-out: %d %s", got.Status, got.Text)
	}
	if code := closed(t, ws); code != websocket.StatusPolicyViolation {
		t.Errorf("the stream at the other gateway ended with %d, want 1008", code)
	}
	for at := range int64(2) {
		only.Store(at)
		if got := copied.get("/app/1", "Accept", "application/json"); got.Status != http.StatusUnauthorized {
			t.Errorf("gateway %d takes a copied cookie after the sign-out: %d", at+1, got.Status)
		}
	}
}

// A provider tells one gateway that a session has ended, and each cuts what it has open
// of it: the token is passed on, and checked by each.
func TestALogoutTokenReachesEveryGateway(t *testing.T) {
	s, b, only := twoGateways(t, time.Hour) // Else a renewal would find out, too.
	b.signIn("/app/1", "alice", password).told(t)
	sockets := make([]*websocket.Conn, 2)
	for at := range sockets {
		only.Store(int64(at))
		var err error
		sockets[at], _, err = b.socket()
		if err != nil {
			t.Fatal(err)
		}
		echoes(t, sockets[at])
	}
	copied := b.copyOf()
	copied.client.Transport = b.client.Transport
	b.submit(b.get(s.op.Issuer()+"/session/end"), url.Values{"logout": {"yes"}})
	for at, ws := range sockets {
		if code := closed(t, ws); code != websocket.StatusPolicyViolation {
			t.Errorf("the stream at gateway %d ended with %d, want 1008", at+1, code)
		}
		only.Store(int64(at))
		if got := copied.get("/app/1", "Accept", "application/json"); got.Status != http.StatusUnauthorized {
			t.Errorf("gateway %d takes a copied cookie after the provider's word: %d", at+1, got.Status)
		}
	}
}
