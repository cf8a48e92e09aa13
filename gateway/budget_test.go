package gateway_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/gateway"
	"github.com/vigil-gateway/vigil/gateway/guard"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// from has connections from one address of this machine.
func from(t *testing.T, address string, h2 bool) *http.Client {
	t.Helper()
	p := new(http.Protocols)
	p.SetHTTP1(!h2)
	p.SetUnencryptedHTTP2(h2)
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	tr := &http.Transport{Protocols: p, DialContext: d.DialContext}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ask sends a request and returns its status and the code of a refusal.
func ask(t *testing.T, c *http.Client, r *http.Request) (status int, code string) {
	t.Helper()
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(b), `"code":"`)
	if found {
		code, _, _ = strings.Cut(rest, `"`)
	}
	if res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") == "" {
		t.Errorf("a refusal that does not say when to come again: %s", b)
	}
	return res.StatusCode, code
}

// expect asks, and compares what comes with "status code".
func expect(t *testing.T, what string, c *http.Client, r *http.Request, want string) {
	t.Helper()
	status, code := ask(t, c, r)
	if got := strings.TrimSpace(fmt.Sprint(status, " ", code)); got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

// waiting is an upstream whose answers wait until they are let go.
func waiting(t *testing.T) (h http.HandlerFunc, arrived chan struct{}, let func()) {
	t.Helper()
	arrived = make(chan struct{}, 10_000)
	free, done := context.WithCancel(context.Background())
	t.Cleanup(done)
	return func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-free.Done():
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusOK)
	}, arrived, done
}

func TestAddressHasItsShareOfRequests(t *testing.T) {
	upstream, arrived, let := waiting(t)
	g := newRig(t, upstream)
	g.config.Guard.RequestsMax = 2
	g.start(t, true)
	here, there := from(t, "127.0.0.1", false), from(t, "127.0.0.2", false)
	done := make(chan int, 3)
	for _, c := range []*http.Client{here, here, there} {
		r := g.request(t, "GET", "/open", "", http.NoBody)
		go func() {
			res, err := c.Do(r)
			if err != nil {
				done <- 0
				return
			}
			_ = res.Body.Close()
			done <- res.StatusCode
		}()
		<-arrived
	}
	expect(t, "the third at a time", here, g.request(t, "GET", "/open", "", http.NoBody), "429 address_requests")
	let()
	for range 3 {
		if status := <-done; status != http.StatusOK {
			t.Errorf("one of those within the share: %d", status)
		}
	}
	expect(t, "once they have ended", here, g.request(t, "GET", "/open", "", http.NoBody), "200")
	must(0, g.stop())
	refused := 0
	for _, list := range g.events(t) {
		for _, e := range list {
			if e.GetReason() == "address_requests" && e.GetDecision() == event.DecisionDeny && e.GetStatus() == 429 && e.GetAddress() == "127.0.0.1" {
				refused++
			}
		}
	}
	if refused != 1 {
		t.Errorf("%d events of a refusal, want one", refused)
	}
}

// Rapid resets (CVE-2023-44487): who gives up streams before they are answered has
// no more of them, on the connection that it has and on a new one.
func TestAddressHasItsShareOfResets(t *testing.T) {
	upstream, arrived, _ := waiting(t)
	g := newRig(t, upstream)
	g.config.Listen.H2C = true
	g.config.Guard.Resets = guard.Allowance{PerMinute: 1, Burst: 20}
	g.start(t, true)
	attacker, dials := from(t, "127.0.0.1", true), new(atomic.Int64)
	tr, _ := attacker.Transport.(*http.Transport)
	dial := tr.DialContext
	tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return dial(ctx, network, address)
	}
	reset := func() {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := g.request(t, "GET", "/open", "", http.NoBody).WithContext(ctx)
		done := make(chan struct{})
		go func() {
			res, err := attacker.Do(r)
			if err == nil {
				_ = res.Body.Close()
			}
			close(done)
		}()
		select {
		case <-arrived:
		case <-done: // Refused.
		}
		cancel()
		<-done
	}
	for range 20 {
		reset()
	}
	deadline := time.Now().Add(patience)
	for { // The last of them are counted when their handlers have ended.
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		res, err := attacker.Do(g.request(t, "GET", "/open", "", http.NoBody).WithContext(ctx))
		if err == nil {
			_ = res.Body.Close()
		}
		cancel()
		if err == nil && res.StatusCode == http.StatusTooManyRequests {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after 20 resets and more: %v, want 429", err)
		}
	}
	if dials.Load() != 1 {
		t.Errorf("%d connections before the budget was spent, want one", dials.Load())
	}
	for deadline = time.Now().Add(patience); dials.Load() == 1; time.Sleep(5 * time.Millisecond) { // The GOAWAY is on its way.
		expect(t, "on what is left of the connection", attacker, g.request(t, "GET", "/open", "", http.NoBody), "429 address_resets")
		if time.Now().After(deadline) {
			t.Fatal("the connection goes on")
		}
	}
	expect(t, "on a new connection", from(t, "127.0.0.1", true), g.request(t, "GET", "/open", "", http.NoBody), "429 address_resets")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	res, err := from(t, "127.0.0.2", true).Do(g.request(t, "GET", "/open", "", http.NoBody).WithContext(ctx))
	if err == nil {
		_ = res.Body.Close()
	}
	if err == nil || len(arrived) == 0 {
		t.Errorf("another address: %v, want to have reached the upstream", err)
	}
}

// A client that opens streams and resets each in the same breath, as fast as it can,
// is shown the door long before it has done so 10,000 times.
func TestRapidResetsDrawAGoAway(t *testing.T) {
	upstream, _, _ := waiting(t)
	g := newRig(t, upstream)
	g.config.Listen.H2C = true
	g.config.Guard.Resets.Burst = 500
	g.start(t, true)
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", g.gateway.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	must(0, c.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(c, http2.ClientPreface)
	if err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", g.gateway.Addr().String()}, {":path", "/open"}} {
		must(0, enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	framer := http2.NewFramer(c, c)
	must(0, framer.WriteSettings())
	away := make(chan uint32, 1) // How many streams were taken.
	go func() {
		defer close(away)
		for {
			f, err := framer.ReadFrame()
			if err != nil {
				return
			}
			if bye, ok := f.(*http2.GoAwayFrame); ok {
				away <- bye.LastStreamID / 2
				return
			}
		}
	}()
	sent := 0
	for ; sent < 10_000; sent++ {
		id := uint32(2*sent + 1)
		err = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
		if err == nil {
			err = framer.WriteRSTStream(id, http2.ErrCodeCancel)
		}
		if err != nil {
			break
		}
	}
	taken, ok := <-away
	if !ok || taken < 500 || taken > 5_000 {
		t.Errorf("of %d streams that were reset %d were taken, GOAWAY %v; want it soon after 500", sent, taken, ok)
	}
}

// A stream that is left once its answer has begun, as browsers do whose page is left,
// is no reset.
func TestStreamsThatAreLeftAreNoResets(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	g.config.Listen.H2C = true
	g.config.Guard.Resets = guard.Allowance{PerMinute: 1, Burst: 2}
	g.start(t, true)
	browser := from(t, "127.0.0.1", true)
	for range 20 { // What one of them has cost is known when its handler has ended.
		ctx, leave := context.WithCancel(t.Context())
		res, err := browser.Do(g.request(t, "GET", "/open", "", http.NoBody).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		leave()
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("status %d, want to be let in", res.StatusCode)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Who shows bad credentials has no further one looked at; what is known to be good
// goes on, and so does everybody who shows none.
func TestAddressHasItsShareOfFailures(t *testing.T) {
	g := newRig(t, func(http.ResponseWriter, *http.Request) {})
	g.config.Guard.Failures = guard.Allowance{PerMinute: 1, Burst: 3}
	g.start(t, true)
	here, there := from(t, "127.0.0.1", false), from(t, "127.0.0.2", false)
	good, another := g.token("alice"), g.token("bob")
	forged := good[:len(good)-8] + "AAAAAAAA"
	page := func(token string) *http.Request { return g.request(t, "GET", "/pages/1", token, http.NoBody) }
	expect(t, "a good token", here, page(good), "200")
	for range 3 {
		expect(t, "a forged token", here, page(forged), "401 token_signature")
	}
	expect(t, "a forged token beyond the budget", here, page(forged), "429 address_failures")
	expect(t, "a token that is known to be good", here, page(good), "200")
	expect(t, "a good token that nobody has seen", here, page(another), "429 address_failures")
	expect(t, "nobody, on a public page", here, g.request(t, "GET", "/open", "", http.NoBody), "200")
	expect(t, "another address", there, page(another), "200")
	expect(t, "and what it has shown to be good", here, page(another), "200")
}

// What honest clients show as well costs nothing.
func TestExpiredTokensAreNoFailures(t *testing.T) {
	g := newRig(t, func(http.ResponseWriter, *http.Request) {})
	g.config.Guard.Failures = guard.Allowance{PerMinute: 1, Burst: 1}
	g.start(t, true)
	here := from(t, "127.0.0.1", false)
	old := g.provider.Mint(idp.Claims{Subject: "alice", ClientID: "app", Expires: time.Now().Add(-time.Hour)})
	for range 5 {
		expect(t, "an expired token", here, g.request(t, "GET", "/pages/1", old, http.NoBody), "401 token_expired")
	}
	expect(t, "a good one after it", here, g.request(t, "GET", "/pages/1", g.token("alice"), http.NoBody), "200")
}

func TestAddressHasItsShareOfSignIns(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	g.config.Guard.SignIns = guard.Allowance{PerMinute: 1, Burst: 3}
	for i, rt := range g.config.Routes {
		if rt.Path == "/login" {
			g.config.Routes[i].Methods = nil
		}
	}
	g.start(t, true)
	try := func(c *http.Client, want string) {
		t.Helper()
		r := g.request(t, "POST", "/login", "", strings.NewReader("user=alice&password=guess"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		expect(t, "a try at the login form", c, r, want)
	}
	here := from(t, "127.0.0.1", false)
	for range 3 {
		try(here, "401")
	}
	try(here, "429 address_sign_ins")
	try(from(t, "127.0.0.2", false), "401")
	r := g.request(t, "GET", "/login", "", strings.NewReader("user=alice&password=guess"))
	expect(t, "a try with GET and a body, as some servers read one", here, r, "429 address_sign_ins")
	expect(t, "a look at the login form", here, g.request(t, "GET", "/login", "", nil), "401")
	expect(t, "another page", here, g.request(t, "GET", "/open", "", http.NoBody), "401")
}

// Requests of one address that last must leave others connections to the upstream, and
// places in the table of sessions.
func TestOneAddressCannotTakeAllConnectionsToAnUpstream(t *testing.T) {
	c := gateway.DefaultConfig()
	if c.Proxy.ConnectionsMax < 2*c.Guard.RequestsMax || c.Session.VisitsMax < 2*c.Guard.RequestsMax {
		t.Errorf("an address may have %d requests open, an upstream %d connections, the table %d visits", c.Guard.RequestsMax, c.Proxy.ConnectionsMax, c.Session.VisitsMax)
	}
}

// providerRig is a gateway where people sign in at a provider whose token endpoint
// does what a test says.
func providerRig(t *testing.T, exchange http.HandlerFunc) *rig {
	t.Helper()
	op := httptest.NewServer(exchange)
	t.Cleanup(op.Close)
	g := newRig(t, func(http.ResponseWriter, *http.Request) {})
	ring := filepath.Join(t.TempDir(), "ring")
	var k [32]byte
	_, _ = rand.Read(k[:])
	must(0, os.WriteFile(ring, []byte(base64.StdEncoding.EncodeToString(k[:])+"\n"), 0o600))
	c := &g.config.Login
	g.bind(t)
	c.ExternalURL, c.KeyRingFile, c.AllowPrivate = "http://"+g.config.Listen.Address, ring, true
	c.Providers = []login.Provider{{
		ID: "social", Type: login.TypeOAuth2, Issuer: "social", ClientID: "vigil",
		AuthURL: op.URL + "/authorize", TokenURL: op.URL + "/token", UserinfoURL: op.URL + "/userinfo",
	}}
	return g
}

func TestAddressHasItsShareOfOurSignInPages(t *testing.T) {
	g := providerRig(t, func(http.ResponseWriter, *http.Request) {})
	g.config.Guard.SignIns = guard.Allowance{PerMinute: 1, Burst: 4}
	g.start(t, true)
	here := from(t, "127.0.0.1", false)
	for _, p := range []struct{ path, want string }{
		{"/.vigil/login", "303"},
		{"/.vigil/callback/social?state=made-up&code=x", "400"},
		{"/.vigil/login", "303"},
		{"/.vigil/callback/social?state=made-up&code=x", "400"},
		{"/.vigil/login", "429 address_sign_ins"},
		{"/.vigil/callback/social?state=made-up&code=x", "429 address_sign_ins"},
		{"/.vigil/signed-out", "200"},
		{"/open", "200"},
	} {
		expect(t, p.path, here, g.request(t, "GET", p.path, "", http.NoBody), p.want)
	}
	expect(t, "another address", from(t, "127.0.0.2", false), g.request(t, "GET", "/.vigil/login", "", http.NoBody), "303")
}

// Who sends forged logout tokens has none looked at any more, and keeps nobody else's word
// out: not that of a provider at another address, nor requests of his own.
func TestForgedLogoutTokensHaveABudget(t *testing.T) {
	g := providerRig(t, func(http.ResponseWriter, *http.Request) {})
	g.config.Guard.Logouts = guard.Allowance{PerMinute: 1, Burst: 2}
	g.start(t, true)
	word := func() *http.Request {
		r := g.request(t, "POST", "/.vigil/backchannel-logout", "", strings.NewReader("logout_token=forged"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	here := from(t, "127.0.0.1", false)
	for _, want := range []string{"400", "400", "429 address_logouts", "429 address_logouts"} {
		expect(t, "a forged token", here, word(), want)
	}
	expect(t, "a provider at another address", from(t, "127.0.0.2", false), word(), "400")
	expect(t, "another page", here, g.request(t, "GET", "/.vigil/signed-out", "", http.NoBody), "200")
}

// While a provider does not answer, one address waits with its own share of callbacks
// and leaves the rest to the others.
func TestAddressHasItsShareOfCallbacks(t *testing.T) {
	exchange, arrived, let := waiting(t)
	g := providerRig(t, exchange)
	g.config.Guard.SignInCallsMax = 2
	g.start(t, true)
	// callback begins a sign-in and returns the request by which the browser comes back.
	callback := func(c *http.Client) *http.Request {
		t.Helper()
		res, err := c.Do(g.request(t, "GET", "/.vigil/login", "", http.NoBody))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		to := must(url.Parse(res.Header.Get("Location")))
		r := g.request(t, "GET", "/.vigil/callback/social?code=x&state="+url.QueryEscape(to.Query().Get("state")), "", http.NoBody)
		for _, cookie := range res.Cookies() {
			r.AddCookie(cookie)
		}
		return r
	}
	here, there := from(t, "127.0.0.1", false), from(t, "127.0.0.2", false)
	third := callback(here)
	done := make(chan struct{}, 3)
	for _, c := range []*http.Client{here, here, there} {
		r := callback(c)
		go func() {
			res, err := c.Do(r)
			if err == nil {
				_ = res.Body.Close()
			}
			done <- struct{}{}
		}()
		<-arrived // Also that of another address, beside two that wait.
	}
	expect(t, "the third at a time", here, third, "429 address_sign_in_calls")
	let()
	for range 3 {
		<-done
	}
}

// Retry-After is spread, and the refusal names no other client.
func TestRefusalOfAnAddressAccusesNobody(t *testing.T) {
	g := newRig(t, func(http.ResponseWriter, *http.Request) {})
	g.config.Guard.SignIns = guard.Allowance{PerMinute: 60, Burst: 1}
	g.start(t, true)
	here := from(t, "127.0.0.1", false)
	var last []byte
	for range 3 {
		res, err := here.Do(g.request(t, "POST", "/login", "", strings.NewReader("user=alice")))
		if err != nil {
			t.Fatal(err)
		}
		last = must(io.ReadAll(res.Body))
		_ = res.Body.Close()
	}
	if bytes.Contains(last, []byte("127.0.0.1")) || !bytes.Contains(last, []byte("what one address has of: sign ins")) {
		t.Errorf("the refusal says %s", last)
	}
}
