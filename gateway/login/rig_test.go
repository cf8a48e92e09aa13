package login_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// TestMain sees that no test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const home = "https://app.example.test"

// noon is when the tests begin.
var noon = time.Unix(1_800_000_000, 0)

type object = map[string]any

// fakeOP is a provider that says whatever a test wants.
type fakeOP struct {
	*httptest.Server

	key ed25519.PrivateKey
	now func() time.Time

	mu        sync.Mutex
	nonce     string // Of the last sign-in.
	sign      func(p *fakeOP) string
	describes object // Changes its description; before anybody has read it.
	first     string // The refresh token that a sign-in brings.
	refreshes int
	revoked   []string
	refusals  int // Of refresh tokens that are given back.
	refresh   func(form url.Values) (int, object)
}

func newOP(tb testing.TB, now func() time.Time) *fakeOP {
	tb.Helper()
	p := &fakeOP{now: now, first: "rt-1"}
	_, p.key, _ = ed25519.GenerateKey(rand.Reader)
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, merge(object{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/jwks",
			"revocation_endpoint": p.URL + "/revoke", "end_session_endpoint": p.URL + "/end",
			"authorization_response_iss_parameter_supported": true,
		}, p.describes))
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		x := base64.RawURLEncoding.EncodeToString(p.key.Public().(ed25519.PublicKey))
		answer(w, 200, object{"keys": []object{{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k1", "use": "sig", "alg": "EdDSA"}}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		_ = r.ParseForm()
		if r.Form.Get("grant_type") == "refresh_token" {
			p.refreshes++
			status, body := p.refresh(r.Form)
			answer(w, status, body)
			return
		}
		body := object{"access_token": "at", "token_type": "Bearer", "expires_in": 600, "refresh_token": p.first}
		if token := p.sign(p); token != "" {
			body["id_token"] = token
		}
		answer(w, 200, body)
	})
	mux.HandleFunc("POST /revoke", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.refusals > 0 {
			p.refusals--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		p.revoked = append(p.revoked, r.FormValue("token"))
	})
	p.Server = httptest.NewServer(mux)
	tb.Cleanup(p.Close)
	p.sign = func(p *fakeOP) string {
		return p.token(object{"alg": "EdDSA", "kid": "k1", "typ": "JWT"}, p.claims(nil))
	}
	p.refresh = func(url.Values) (int, object) {
		return 200, object{"access_token": "at", "token_type": "Bearer", "expires_in": 600, "refresh_token": fmt.Sprint("rt-", p.refreshes+1)}
	}
	return p
}

// renewed is how often it was asked to renew a session.
func (p *fakeOP) renewed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refreshes
}

// claims of a good ID token, changed; a nil value takes one away.
func (p *fakeOP) claims(change object) object {
	now := p.now().Unix()
	c := object{
		"iss": p.URL, "sub": "alice", "aud": "vigil", "exp": now + 300, "iat": now, "auth_time": now, "nonce": p.nonce, "sid": "op-1", "acr": "pwd",
	}
	return merge(c, change)
}

// logout are the claims of a good logout token, changed.
func (p *fakeOP) logout(change object) object {
	now := p.now().Unix()
	return merge(object{
		"iss": p.URL, "aud": "vigil", "iat": now, "exp": now + 120, "jti": fmt.Sprint("j", time.Now().UnixNano()), "sid": "op-1",
		"events": object{"http://schemas.openid.net/event/backchannel-logout": object{}},
	}, change)
}

func merge(c, change object) object {
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// token signs claims as they are.
func (p *fakeOP) token(header, claims any) string {
	return p.signed(encode(header) + "." + encode(claims))
}

func (p *fakeOP) signed(signing string) string {
	return signing + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(p.key, []byte(signing)))
}

func encode(v any) string {
	if s, ok := v.(string); ok {
		return base64.RawURLEncoding.EncodeToString([]byte(s))
	}
	b, _ := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(b)
}

// rig is one gateway's login part, without the gateway.
type rig struct {
	t     testing.TB
	id    string
	op    *fakeOP
	login *login.Login

	settings login.Config // That it was started with.

	mu       sync.Mutex
	at       time.Time
	verdicts []*verdict.Verdict
	told     []login.Happening
}

// Apply takes a verdict as the table of sessions would.
func (g *rig) Apply(v *verdict.Verdict, _ time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.verdicts = append(g.verdicts, v)
}

func (g *rig) report(h login.Happening) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told = append(g.told, h)
}

func (g *rig) now() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.at
}

func (g *rig) pass(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at = g.at.Add(d)
}

func (g *rig) reasons() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []string
	for _, h := range g.told {
		out = append(out, h.Reason)
	}
	return out
}

// ringFile makes a key ring with n keys.
func ringFile(tb testing.TB, n int) string {
	tb.Helper()
	var b strings.Builder
	for range n {
		var k [32]byte
		_, _ = rand.Read(k[:])
		b.WriteString(base64.StdEncoding.EncodeToString(k[:]) + "\n")
	}
	file := filepath.Join(tb.TempDir(), "ring")
	err := os.WriteFile(file, []byte(b.String()), 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

func config(ring, issuer string) login.Config {
	c := login.DefaultConfig()
	c.ExternalURL, c.KeyRingFile, c.AllowPrivate = home, ring, true
	c.Providers = []login.Provider{{ID: "op", Name: "Provider", Issuer: issuer, ClientID: "vigil", Grant: []string{"read"}}}
	return c
}

func newRig(tb testing.TB, change ...func(*login.Config)) *rig {
	tb.Helper()
	g := &rig{t: tb, at: noon}
	g.op = newOP(tb, g.now)
	g.start(config(ringFile(tb, 1), g.op.URL), change...)
	return g
}

func (g *rig) start(c login.Config, change ...func(*login.Config)) {
	g.t.Helper()
	for _, f := range change {
		f(&c)
	}
	g.settings = c
	names, err := event.NewNames([]byte(strings.Repeat("k", 32)))
	if err != nil {
		g.t.Fatal(err)
	}
	g.login, err = login.New(login.Options{
		Config: c, Gateway: g.id, Names: names, Judge: g, Report: g.report,
		Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: g.now,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	l := g.login
	g.t.Cleanup(func() { _ = l.Close() })
}

// person is a browser: its cookies.
type person struct {
	g       *rig
	cookies map[string]string
	doubted bool // By a verdict.
}

func (g *rig) person() *person { return &person{g: g, cookies: make(map[string]string)} }

func (p *person) clone() *person { return &person{g: p.g, cookies: maps.Clone(p.cookies)} }

// request is one of the browser's, with its cookies.
func (p *person) request(method, target string, header ...string) *http.Request {
	p.g.t.Helper()
	r := httptest.NewRequestWithContext(p.g.t.Context(), method, target, http.NoBody)
	r.Host = strings.TrimPrefix(home, "https://")
	r.Header.Set("Accept", "text/html")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for name, value := range p.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// keep takes over the cookies of an answer.
func (p *person) keep(h http.Header) {
	for _, c := range (&http.Response{Header: h}).Cookies() {
		if c.MaxAge < 0 {
			delete(p.cookies, c.Name)
		} else {
			p.cookies[c.Name] = c.Value
		}
	}
}

// visit asks for one of our own pages.
func (p *person) visit(r *http.Request) (*httptest.ResponseRecorder, login.Answer) {
	p.g.t.Helper()
	m, ours, err := p.g.login.Match(r)
	if !ours || err != nil {
		p.g.t.Fatalf("Match(%s) = %v, %v", r.URL, ours, err)
	}
	w := httptest.NewRecorder()
	v := login.Visitor{UserAgent: "test"}
	who, err := p.g.login.Recognise(r, v)
	if err != nil {
		who = nil
	} else if p.doubted {
		who.Doubt()
	}
	a := p.g.login.Serve(w, r, m.Route, v, who)
	p.keep(w.Header())
	return w, a
}

// begin starts a sign-in and returns what the provider is asked.
func (p *person) begin(target string) url.Values {
	p.g.t.Helper()
	w, a := p.visit(p.request(http.MethodGet, target))
	u, err := url.Parse(w.Header().Get("Location"))
	if a.Status != http.StatusSeeOther || err != nil || !strings.HasPrefix(u.String(), p.g.op.URL+"/auth") {
		p.g.t.Fatalf("GET %s: %d %s to %s", target, a.Status, a.Code, u)
	}
	p.g.op.mu.Lock()
	p.g.op.nonce = u.Query().Get("nonce")
	p.g.op.mu.Unlock()
	return u.Query()
}

// answer comes back from the provider.
func (p *person) answer(asked url.Values, change ...string) (*httptest.ResponseRecorder, login.Answer) {
	p.g.t.Helper()
	q := url.Values{"code": {"c"}, "state": {asked.Get("state")}, "iss": {p.g.op.URL}}
	for i := 0; i+1 < len(change); i += 2 {
		q.Set(change[i], change[i+1])
	}
	return p.visit(p.request(http.MethodGet, "/.vigil/callback/op?"+q.Encode()))
}

// signIn signs in.
func (p *person) signIn() {
	p.g.t.Helper()
	_, a := p.answer(p.begin("/.vigil/login"))
	if a.Status != http.StatusSeeOther || a.AuthOutcome != event.AuthSuccess {
		p.g.t.Fatalf("sign in: %+v", a)
	}
}

// stepUp answers a demand for a second factor with one.
func (p *person) stepUp() {
	p.g.t.Helper()
	asked := p.demand(login.Demand{StepUp: true, ACR: []string{"mfa"}})
	p.g.op.sign = func(op *fakeOP) string {
		return op.token(object{"alg": "EdDSA", "kid": "k1"}, op.claims(object{"acr": "mfa"}))
	}
	_, a := p.answer(asked)
	if a.Code != "" {
		p.g.t.Fatalf("step-up: %+v", a)
	}
}

// use sends an ordinary request with the browser's cookies, and returns how they count.
func (p *person) use() (*login.Presence, error) {
	p.g.t.Helper()
	got, err := p.g.login.Recognise(p.request(http.MethodGet, "/page"), login.Visitor{UserAgent: "test"})
	if err == nil {
		h := make(http.Header)
		got.Renew(h)
		p.keep(h)
	}
	return got, err
}
