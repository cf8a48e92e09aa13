package login_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/login"
)

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// endsSoon waits until a session does not count any more.
func (p *person) endsSoon(t *testing.T) {
	t.Helper()
	await(t, "the session goes on at the other gateway", func() bool {
		_, err := p.clone().use()
		if err != nil {
			wantFault(t, err, login.CodeEnded)
		}
		return err != nil
	})
}

// fakePeer is a gateway that answers notices as a test wants.
type fakePeer struct {
	*httptest.Server

	notices, connections, most, now atomic.Int64
}

func newFakePeer(t *testing.T, answer func(n int64) int) *fakePeer {
	t.Helper()
	p := &fakePeer{}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		now := p.now.Add(1)
		defer p.now.Add(-1)
		for most := p.most.Load(); now > most; most = p.most.Load() {
			p.most.CompareAndSwap(most, now)
		}
		w.WriteHeader(answer(p.notices.Add(1)))
	}))
	p.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			p.connections.Add(1)
		}
	}
	p.Start()
	t.Cleanup(p.Close)
	return p
}

// withPeer is a gateway with one other, whose tries follow at once.
func withPeer(t *testing.T, peer *fakePeer) *rig {
	t.Helper()
	g := &rig{t: t, at: noon, id: "gw-1"}
	g.op = newOP(t, g.now)
	g.start(config(ringFile(t, 1), g.op.URL), func(c *login.Config) {
		c.Peers = []login.Peer{{ID: "gw-1", URL: "http://127.0.0.1:1"}, {ID: "gw-2", URL: peer.URL}}
	})
	g.login.SetPauses(time.Millisecond)
	return g
}

func (p *person) signOut() {
	p.visit(p.request(http.MethodPost, "/.vigil/logout", "Sec-Fetch-Site", "same-origin"))
}

// A peer that is away for a moment hears of a logout all the same, and one that says
// no is not asked again.
func TestALogoutIsToldAgain(t *testing.T) {
	tests := map[string]struct {
		answer func(n int64) int
		want   int64
	}{
		"a peer that is well is told once":                    {answer: func(int64) int { return 200 }, want: 1},
		"one that is well at the third try is told then":      {answer: func(n int64) int { return map[bool]int{true: 200, false: 503}[n == 3] }, want: 3},
		"one that is never well is given up after three":      {answer: func(int64) int { return 503 }, want: 3},
		"one that does not know our key ring is told no more": {answer: func(int64) int { return 403 }, want: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			peer := newFakePeer(t, tt.answer)
			g := withPeer(t, peer)
			p := g.person()
			p.signIn()
			p.signOut()
			g.login.Idle()
			if n := peer.notices.Load(); n != tt.want {
				t.Errorf("told %d times, want %d", n, tt.want)
			}
		})
	}
}

// A peer that hangs costs a few calls at a time and a queue with an end, and what
// finds no place in it is counted, and holds nobody up.
func TestAPeerThatHangsCostsABoundedQueue(t *testing.T) {
	release := make(chan struct{})
	peer := newFakePeer(t, func(int64) int { <-release; return 200 })
	g := withPeer(t, peer)
	free := sync.OnceFunc(func() { close(release) })
	defer free()
	for range login.ErrandsMax + 100 {
		g.login.TellPeers(t.Context(), "s", "op")
	}
	await(t, "no call", func() bool { return peer.now.Load() == login.ErrandWorkersMax })
	if n := g.login.Waiting(); n > login.ErrandsMax {
		t.Errorf("%d calls wait, want at most %d", n, login.ErrandsMax)
	}
	free()
	g.login.Idle()
	total, most, connections := peer.notices.Load(), peer.most.Load(), peer.connections.Load()
	if total > login.ErrandsMax+login.ErrandWorkersMax || most > login.ErrandWorkersMax {
		t.Errorf("%d notices came, %d at a time; want at most %d and %d", total, most, login.ErrandsMax+login.ErrandWorkersMax, login.ErrandWorkersMax)
	}
	if total < login.ErrandsMax {
		t.Errorf("%d notices came, want %d that had a place", total, login.ErrandsMax)
	}
	if connections > 2*login.ErrandWorkersMax {
		t.Errorf("%d connections for %d notices: they are not kept", connections, total)
	}
}

// While the gateway ends, a peer that says no to one notice is told the others.
func TestWhoSaysNoAtTheEndIsNotAway(t *testing.T) {
	release := make(chan struct{})
	const refused, all = login.ErrandWorkersMax + 1, 5 * login.ErrandWorkersMax // One more than is under way before the end.
	peer := newFakePeer(t, func(n int64) int {
		<-release
		if n <= refused {
			return http.StatusForbidden
		}
		return http.StatusOK
	})
	g := withPeer(t, peer)
	for range all {
		g.login.TellPeers(t.Context(), "s", "op")
	}
	await(t, "no call", func() bool { return peer.now.Load() == login.ErrandWorkersMax })
	g.login.Ends()
	close(release)
	g.login.Idle()
	if n := peer.notices.Load(); n != all {
		t.Errorf("told %d notices, want %d", n, all)
	}
}

// What a provider gives for a session that is signed out meanwhile goes back, too.
func TestATokenThatComesAfterTheSignOutIsGivenBack(t *testing.T) {
	g := newRig(t)
	p := g.person()
	p.signIn()
	asked, release := make(chan struct{}), make(chan struct{})
	g.op.refresh = func(url.Values) (int, object) {
		close(asked)
		<-release
		return 200, object{"access_token": "a", "token_type": "Bearer", "expires_in": 600, "refresh_token": "rt-2"}
	}
	g.pass(9 * time.Minute)
	_, err := p.use()
	if err != nil {
		t.Fatal(err)
	}
	<-asked
	p.signOut()
	close(release)
	await(t, "the new refresh token was not given back", func() bool {
		g.op.mu.Lock()
		defer g.op.mu.Unlock()
		return slices.Contains(g.op.revoked, "rt-1") && slices.Contains(g.op.revoked, "rt-2")
	})
}

// A provider that is away for a moment is given the refresh token back all the same.
func TestARefreshTokenIsGivenBackAgain(t *testing.T) {
	g := newRig(t)
	g.login.SetPauses(time.Millisecond)
	p := g.person()
	p.signIn()
	g.op.mu.Lock()
	g.op.refusals = 2
	g.op.mu.Unlock()
	p.signOut()
	g.gaveBack(t, "rt-1")
}

// Whoever signs in anew in a browser ends the session that was there before: at all
// gateways, and at its provider.
func TestASessionThatIsReplacedEndsEverywhere(t *testing.T) {
	c := newCluster(t, 2)
	mallory := c.rigs[0].person()
	mallory.signIn()
	planted := &person{g: c.rigs[1], cookies: mallory.clone().cookies}
	_, err := planted.use()
	if err != nil {
		t.Fatal(err)
	}
	mallory.signIn() // Another sign-in in the browser that has her session.
	planted.endsSoon(t)
	await(t, "its refresh token was not given back", func() bool {
		c.op.mu.Lock()
		defer c.op.mu.Unlock()
		return slices.Contains(c.op.revoked, "rt-1")
	})
}

// A provider's word in a frame may reach a gateway that does not know the session.
func TestFrontchannelLogoutAtAGatewayThatDoesNotKnowTheSession(t *testing.T) {
	frame := func(c *cluster) string {
		return "/.vigil/frontchannel-logout?iss=" + url.QueryEscape(c.op.URL) + "&sid=op-1"
	}
	t.Run("without its cookie, as browsers send frames", func(t *testing.T) {
		c := newCluster(t, 3)
		p := c.rigs[0].person()
		p.signIn()
		there := c.rigs[1].person()
		_, a := there.visit(there.request(http.MethodGet, frame(c)))
		if a.Status != http.StatusOK {
			t.Fatalf("frame: %+v", a)
		}
		p.endsSoon(t)
		await(t, "no verdict at the third gateway", func() bool { return c.rigs[2].cuts() > 0 })
	})
	t.Run("with its cookie", func(t *testing.T) {
		c := newCluster(t, 2)
		p := c.rigs[0].person()
		p.signIn()
		there := &person{g: c.rigs[1], cookies: p.clone().cookies}
		r := there.request(http.MethodGet, frame(c))
		w := httptest.NewRecorder()
		m, _, err := c.rigs[1].login.Match(r)
		if err != nil {
			t.Fatal(err)
		}
		c.rigs[1].login.Serve(w, r, m.Route, login.Visitor{}, nil) // Nobody has recognised it here before.
		if n := c.rigs[1].cuts(); n != 1 {
			t.Errorf("%d verdicts at the gateway of the frame, want 1", n)
		}
		p.endsSoon(t)
	})
	t.Run("again and again with one cookie that has ended", func(t *testing.T) {
		c := newCluster(t, 1)
		p := c.rigs[0].person()
		p.signIn()
		for range 200 {
			again := p.clone()
			again.visit(again.request(http.MethodGet, frame(c)))
		}
		if n := c.rigs[0].cuts(); n != 1 {
			t.Errorf("%d verdicts, want 1", n)
		}
	})
}

// A session that is over gives its refresh token back, once, whoever finds out.
func TestASessionThatTimedOutGivesItsRefreshTokenBack(t *testing.T) {
	t.Run("nobody uses it any more", func(t *testing.T) {
		g := newRig(t)
		p := g.person()
		p.signIn()
		g.login.Look(t.Context())
		if len(g.op.revoked) > 0 {
			t.Fatal("a session that goes on has lost its refresh token")
		}
		g.pass(31 * time.Minute)
		g.login.Look(t.Context())
		g.gaveBack(t, "rt-1")
		_, err := p.use()
		wantFault(t, err, login.CodeExpired)
	})
	t.Run("its stream is open at its absolute age", func(t *testing.T) {
		g := newRig(t)
		p := g.person()
		p.signIn()
		got, err := p.use()
		if err != nil {
			t.Fatal(err)
		}
		defer got.Hold()()
		g.op.mu.Lock()
		g.op.refresh = func(url.Values) (int, object) { return 503, object{} } // Keeps rt-1.
		g.op.mu.Unlock()
		g.pass(13 * time.Hour)
		g.login.Look(t.Context())
		g.gaveBack(t, "rt-1")
	})
	t.Run("its cookie comes once more", func(t *testing.T) {
		g := newRig(t)
		p := g.person()
		p.signIn()
		g.pass(13 * time.Hour)
		for range 3 {
			_, err := p.use()
			wantFault(t, err, login.CodeExpired)
		}
		g.gaveBack(t, "rt-1")
	})
	t.Run("another gateway may be using it", func(t *testing.T) {
		c := newCluster(t, 2)
		p := c.rigs[0].person()
		p.signIn()
		c.pass(31 * time.Minute)
		c.rigs[0].login.Look(t.Context())
		c.settled()
		c.rigs[0].login.Idle()
		c.op.mu.Lock()
		defer c.op.mu.Unlock()
		if len(c.op.revoked) > 0 {
			t.Error("a session that another gateway may be using has lost its refresh token")
		}
	})
}

// Sessions that lapse together give their refresh tokens back one look after the other:
// none of them is dropped because a queue is full, and none of a provider that is away
// leaves the list before those in front of it are done.
func TestManySessionsThatLapseTogetherGiveAllTokensBack(t *testing.T) {
	g := newRig(t)
	g.login.SetPauses(time.Millisecond)
	const n = 3 * login.LapsedMax / 2
	for i := range n {
		g.op.mu.Lock()
		g.op.first = fmt.Sprint("first-", i)
		g.op.mu.Unlock()
		g.person().signIn()
	}
	g.pass(31 * time.Minute)
	release := g.op.hang()
	g.login.Look(t.Context())
	left := g.login.Known()
	for range 3 {
		g.login.Look(t.Context())
	}
	if left != n-login.LapsedMax || g.login.Known() != left {
		t.Errorf("%d sessions are left after one look, %d after three more at a provider that hangs; want %d", left, g.login.Known(), n-login.LapsedMax)
	}
	release()
	g.login.Idle()
	g.login.Look(t.Context())
	g.login.Idle()
	g.op.mu.Lock()
	defer g.op.mu.Unlock()
	if len(g.op.revoked) != n || g.login.Known() != 0 {
		t.Errorf("%d of %d refresh tokens were given back, %d sessions are left", len(g.op.revoked), n, g.login.Known())
	}
}

// hang lets the provider answer no revocation until release is called.
func (p *fakeOP) hang() (release func()) {
	p.mu.Lock()
	return p.mu.Unlock
}

// Each session of an open stream is looked at in each round, however many there are.
func TestEverySessionOfAnOpenStreamIsRenewed(t *testing.T) {
	g := newRig(t)
	const n = 3 * login.LookMax / 2
	for range n {
		p := g.person()
		p.signIn()
		got, err := p.use()
		if err != nil {
			t.Fatal(err)
		}
		defer got.Hold()()
	}
	g.pass(9 * time.Minute)
	for range n { // Few may be under way at a time.
		g.login.Look(t.Context())
		g.settled()
	}
	if got := g.op.renewed(); got != n {
		t.Errorf("%d sessions were renewed, want %d", got, n)
	}
}
