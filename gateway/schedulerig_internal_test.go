package gateway

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/memdir"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// tickFor is the time between two ticks of a schedule: longer than a session goes
// without being renewed.
const tickFor = 30 * time.Second

type object = map[string]any

// schedulesRig is three gateways without Kafka that share a key ring, a provider and
// a clock, which moves from tick to tick. Every schedule has a subject of its own.
type schedulesRig struct {
	gateways [gateways]*gatewayUnderTest
	configs  [gateways]Config
	names    event.Names
	key      ed25519.PrivateKey // The provider's.
	issuer   string
	signers  [2]verdict.Signer // By word.authority.
	at       atomic.Int64      // Unix nanoseconds.

	mu   sync.Mutex
	next object // What the provider says of the next person who signs in.
}

// now is the gateways' clock. Whoever looks at it may lose his turn, so that others
// come between any two steps of a request.
func (c *schedulesRig) now() time.Time {
	if rand.IntN(4) == 0 {
		runtime.Gosched()
	}
	return time.Unix(0, c.at.Load())
}

// signed is a token of the provider.
func (c *schedulesRig) signed(typ string, claims object) string {
	part := func(v any) string {
		b, _ := json.Marshal(v) // Texts and numbers only.
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(object{"alg": "EdDSA", "kid": "k1", "typ": typ}) + "." + part(claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(c.key, []byte(text)))
}

// provider signs in whoever is next, at once, and renews every session.
func (c *schedulesRig) provider(t *testing.T) {
	t.Helper()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, object{
			"issuer": c.issuer, "authorization_endpoint": c.issuer + "/auth", "token_endpoint": c.issuer + "/token", "jwks_uri": c.issuer + "/jwks",
			"revocation_endpoint": c.issuer + "/revoke",
		})
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { answer(w, c.jwks()) })
	mux.HandleFunc("POST /revoke", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		out := object{"access_token": "at", "token_type": "Bearer", "expires_in": 20, "refresh_token": "rt"}
		if r.FormValue("grant_type") != "refresh_token" {
			c.mu.Lock()
			out["id_token"] = c.signed("JWT", c.next)
			c.mu.Unlock()
		}
		answer(w, out)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c.issuer = server.URL
}

func (c *schedulesRig) jwks() object {
	x := base64.RawURLEncoding.EncodeToString(c.key.Public().(ed25519.PublicKey))
	return object{"keys": []object{{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k1", "use": "sig", "alg": "EdDSA"}}}
}

func newSchedulesRig(t *testing.T) *schedulesRig {
	t.Helper()
	c := new(schedulesRig)
	c.at.Store(time.Unix(1_800_000_000, 0).UnixNano())
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := memdir.New(t) // A verdict is on the disk before the admin port says so, and a hundred thousand of them wait for none here.
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		check(os.WriteFile(path, b, 0o600))
		return path
	}
	newKey := func() (ed25519.PublicKey, ed25519.PrivateKey) {
		public, private, err := ed25519.GenerateKey(nil)
		check(err)
		return public, private
	}
	_, c.key = newKey()
	c.provider(t)
	analyzer, analyzerKey := newKey()
	operator, operatorKey := newKey()
	root, rootKey := newKey()
	c.signers = [2]verdict.Signer{verdict.NewSigner("an", analyzerKey), verdict.NewSigner("op", operatorKey)}
	keySet, err := verdict.SignKeySet(rootKey, []verdict.Key{
		{ID: "op", Class: verdict.ClassOperator, Public: operator}, {ID: "an", Class: verdict.ClassAnalyzer, Public: analyzer},
	})
	check(err)
	der, err := x509.MarshalPKIXPublicKey(root)
	check(err)
	jwks, err := json.Marshal(c.jwks())
	check(err)
	tenantKey := bytes.Repeat([]byte("k"), 32)
	c.names, err = event.NewNames(tenantKey)
	check(err)

	conf := DefaultConfig()
	conf.TenantKeyFile, conf.Keys.KeySetFile = write("tenant", tenantKey), write("keys", keySet)
	conf.Keys.RootPublicFile = write("root", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	conf.Kafka.Brokers, conf.Listen.Address = []string{"127.0.0.1:1"}, "127.0.0.1:0"
	conf.StaleMax, conf.Admit.ColdStartMax, conf.Admit.NewcomerHold, conf.Revoke.Fuse.Share = 0, time.Nanosecond, 0, 1
	conf.Emit.Drain = 0 // There is no Kafka.
	conf.Lanes, conf.Emit.Spool.SegmentBytes = 1, 1<<20
	conf.Identity.Issuers = []identity.Issuer{{
		Issuer: c.issuer, Audiences: []string{"app"}, JWKSFile: write("jwks", jwks), KindClaim: "kind", ServiceValues: []string{"service"},
	}}
	conf.Routes = []route.Spec{{ID: "page", Path: "/page", Upstream: "http://127.0.0.1:1", Posture: route.PostureAllow}}
	conf.Login.ExternalURL, conf.Login.AllowPrivate = "https://app.test", true
	conf.Login.KeyRingFile = write("ring", []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("r"), 32))+"\n"))
	conf.Login.Providers = []login.Provider{{ID: "op", Name: "Provider", Issuer: c.issuer, ClientID: "vigil", Algorithms: []string{"EdDSA"}}}
	for i := range c.gateways {
		conf.ID, conf.Revoke.Dir = fmt.Sprint("gw-", i), filepath.Join(dir, fmt.Sprint("state-", i))
		conf.Login.StateFile = filepath.Join(dir, fmt.Sprint("endings-", i))
		conf.Emit.Spool.Dir = filepath.Join(dir, fmt.Sprint("spool-", i))
		c.configs[i] = conf
		c.gateways[i] = new(gatewayUnderTest)
		c.gateways[i].Gateway, err = c.start(i)
		check(err)
		t.Cleanup(func() {
			err := c.gateways[i].stop()
			if err != nil {
				t.Error(err)
			}
		})
	}
	return c
}

// start begins a life of a gateway.
func (c *schedulesRig) start(i int) (*Gateway, error) {
	return New(Options{Config: c.configs[i], Logger: slog.New(slog.DiscardHandler), Meter: metricnoop.Meter{}, Tracer: tracenoop.Tracer{}, Now: c.now})
}

// stop ends what is open, and frees all that New has opened.
func (g *gatewayUnderTest) stop() error {
	for i, open := range g.streams {
		if open != nil {
			open.leave()
			g.streams[i] = nil
		}
	}
	over, end := context.WithCancel(context.Background())
	end()
	return g.Run(over)
}

// perform has a gateway hear a verdict or a sign-out, or start anew.
func (c *schedulesRig) perform(w world, in step) error {
	under := c.gateways[in.gateway]
	if in.what == restart {
		under.life.Lock()
		defer under.life.Unlock()
		err := under.stop()
		if err != nil {
			return err
		}
		err = os.RemoveAll(under.config.Emit.Spool.Dir) // Without Kafka it would grow with each life.
		if err != nil {
			return err
		}
		under.Gateway, err = c.start(in.gateway)
		c.at.Add(int64(time.Microsecond)) // Longer than it waits for Kafka.
		return err
	}
	if in.what == leave {
		return under.serve(w.signOuts[in.n]())
	}
	err := under.follower.Accept(w.verdicts[in.n])
	if errors.Is(err, revoke.ErrStale) {
		return nil
	}
	return err
}

// serve has a page of the sign-in answer a request, which must succeed.
func (g *gatewayUnderTest) serve(r *http.Request) error {
	m, _, err := g.login.Match(r)
	if err != nil {
		return err
	}
	a := g.login.Serve(httptest.NewRecorder(), r, m.Route, login.Visitor{UserAgent: "test"}, nil)
	if a.Status >= http.StatusBadRequest {
		return fmt.Errorf("%s answers %d %s", r.URL.Path, a.Status, a.Code)
	}
	return nil
}

// enter is the way of a request from its account to where it would be forwarded.
func (g *gatewayUnderTest) enter(r *http.Request) *call {
	r, c, o := g.begin(r)
	g.handle(httptest.NewRecorder(), r, c, o)
	return c
}

// world is a schedule as three gateways and their clients have it.
type world struct {
	verdicts [][]byte
	requests []func() *http.Request // By paper.
	signOuts []func() *http.Request
}

func (w world) request(paper int) *http.Request { return w.requests[paper]() }

func newRequest(method, target string) *http.Request {
	r := httptest.NewRequest(method, target, http.NoBody)
	r.Host, r.RemoteAddr = "app.test", "192.0.2.7:1234"
	r.Header.Set("Accept", "application/json")
	return r
}

// prepare lets the people and services of a schedule sign in and refresh, and the
// analyzer and the operator sign their verdicts. Then everything has happened but
// that the gateways know nothing of it.
func (c *schedulesRig) prepare(s schedule, number uint64, r *rand.Rand) world {
	var w world
	began := time.Unix(0, c.at.Load()).Truncate(time.Second)
	at := func(tick int) time.Time { return began.Add(time.Duration(tick) * tickFor) }
	name := fmt.Sprint("u", number)
	cookies, newest := make([][]*http.Cookie, len(s.papers)), make(map[int][]*http.Cookie)
	for i, p := range s.papers {
		c.at.Store(at(p.issuedAt).UnixNano())
		g := c.gateways[r.IntN(gateways)]
		sid := fmt.Sprint(name, "-", p.session)
		switch {
		case !p.cookie:
			token := c.token(p, name, sid, at)
			w.requests = append(w.requests, func() *http.Request {
				r := newRequest(http.MethodGet, "/page")
				r.Header.Set("Authorization", "Bearer "+token)
				return r
			})
			continue
		case p.root == i:
			cookies[i] = c.signIn(g, name, sid)
		default:
			cookies[i] = refresh(g, newest[p.root])
		}
		newest[p.root] = cookies[i]
		w.requests = append(w.requests, func() *http.Request { return withCookies(cookies[i]) })
	}
	c.at.Store(at(ticks).UnixNano())
	for i, word := range s.words {
		w.verdicts = append(w.verdicts, c.verdict(word, i, name, at))
	}
	for i, o := range s.signOuts {
		if o.cookie >= 0 {
			w.signOuts = append(w.signOuts, func() *http.Request {
				r := withCookies(newest[o.cookie])
				r.Method, r.URL.Path = http.MethodPost, "/.vigil/logout"
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				return r
			})
			continue
		}
		token := c.signed("logout+jwt", object{
			"iss": c.issuer, "aud": "vigil", "iat": at(ticks).Unix(), "exp": at(ticks).Unix() + 120, "jti": fmt.Sprint(name, "-out-", i),
			"sid": fmt.Sprint(name, "-", o.session), "events": object{"http://schemas.openid.net/event/backchannel-logout": object{}},
		})
		w.signOuts = append(w.signOuts, func() *http.Request {
			r := httptest.NewRequest(http.MethodPost, "/.vigil/backchannel-logout", strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
			r.Host = "app.test"
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return r
		})
	}
	return w
}

func withCookies(cookies []*http.Cookie) *http.Request {
	r := newRequest(http.MethodGet, "/page")
	for _, k := range cookies {
		r.AddCookie(k)
	}
	return r
}

// token is an access token.
func (c *schedulesRig) token(p paper, name, sid string, at func(int) time.Time) string {
	claims := object{
		"iss": c.issuer, "sub": name, "aud": "app", "sid": sid, "jti": fmt.Sprint(sid, "-", p.issuedAt),
		"iat": at(p.issuedAt).Unix(), "exp": at(ticks).Add(time.Hour).Unix(),
	}
	if p.authTime > 0 {
		claims["auth_time"] = at(p.authTime).Unix()
	}
	if p.service {
		claims["kind"] = "service"
	}
	return c.signed("at+jwt", claims)
}

// verdict signs one.
func (c *schedulesRig) verdict(w word, i int, name string, at func(int) time.Time) []byte {
	now := at(ticks)
	v := &verdict.Verdict{
		Id: fmt.Sprint(name, "-w", i), Time: timestamppb.New(now), Epoch: 1, Seq: uint64(w.seq), Authority: verdict.AuthoritySubject, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: c.names.Session(c.issuer, fmt.Sprint(name, "-", w.target))},
		Action: verdict.ActionObserve, Until: timestamppb.New(now.Add(time.Hour)),
	}
	if w.ends {
		v.Action = verdict.ActionRevoke
	}
	if w.target == 0 {
		v.Target = &verdict.Target{Kind: verdict.TargetSubject, Id: c.names.Subject(c.issuer, name)}
	}
	if w.notBefore > 0 {
		v.NotBefore = timestamppb.New(at(w.notBefore))
	}
	if w.operator {
		v.Authority = verdict.AuthorityOperator
		v.Clears = []*verdict.Clear{{Authority: verdict.AuthoritySubject, Epoch: 1, Seq: uint64(w.clears)}}
	}
	record, err := c.signers[w.authority()].Verdict(v)
	if err != nil {
		panic(err) // Cannot happen: it is made above.
	}
	return record
}

// signIn signs a person in at the provider, by way of a gateway, and returns his
// browser's cookies.
func (c *schedulesRig) signIn(g *gatewayUnderTest, name, sid string) []*http.Cookie {
	jar := make(map[string]*http.Cookie)
	visit := func(target string) *url.URL {
		r := newRequest(http.MethodGet, target)
		for _, k := range jar {
			r.AddCookie(k)
		}
		m, _, err := g.login.Match(r)
		if err != nil {
			panic(err)
		}
		w := httptest.NewRecorder()
		a := g.login.Serve(w, r, m.Route, login.Visitor{}, nil)
		for _, k := range w.Result().Cookies() {
			jar[k.Name] = k
		}
		to, err := url.Parse(w.Header().Get("Location"))
		if a.Status != http.StatusSeeOther || err != nil {
			panic(fmt.Sprint("sign-in: ", a, err))
		}
		return to
	}
	asked := visit("/.vigil/login").Query()
	now := time.Unix(0, c.at.Load()).Unix()
	c.mu.Lock()
	c.next = object{
		"iss": c.issuer, "sub": name, "aud": "vigil", "exp": now + 300, "iat": now, "auth_time": now, "nonce": asked.Get("nonce"), "sid": sid,
	}
	c.mu.Unlock()
	visit("/.vigil/callback/op?" + url.Values{"code": {"c"}, "state": {asked.Get("state")}}.Encode())
	return sessionOf(jar)
}

func sessionOf(jar map[string]*http.Cookie) []*http.Cookie {
	var out []*http.Cookie
	for name, k := range jar {
		if strings.HasPrefix(name, "__Host-vigil") && k.MaxAge >= 0 {
			out = append(out, k)
		}
	}
	return out
}

// refresh uses a session until the provider has confirmed it again, and returns the
// cookies that the browser has then.
func refresh(g *gatewayUnderTest, cookies []*http.Cookie) []*http.Cookie {
	first := ""
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Microsecond) {
		p, err := g.login.Recognise(withCookies(cookies), login.Visitor{UserAgent: "test"})
		if err != nil || time.Now().After(deadline) {
			panic(fmt.Sprint("refresh: ", err))
		}
		if first == "" {
			first = p.Identity.TokenID
		}
		if p.Identity.TokenID == first {
			continue // Not yet.
		}
		h := make(http.Header)
		p.Renew(h)
		jar := make(map[string]*http.Cookie)
		for _, k := range (&http.Response{Header: h}).Cookies() {
			jar[k.Name] = k
		}
		return sessionOf(jar)
	}
}
