package gateway_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/vigil-gateway/vigil/gateway"
	"github.com/vigil-gateway/vigil/gateway/certtest"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/listen"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// signer is a key and its public half as a JWK.
type signer struct {
	key    *ecdsa.PrivateKey
	public jwk.Key
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newSigner() signer {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	return signer{key: key, public: must(jwk.FromRaw(key.Public()))}
}

func (s signer) jkt() string {
	return base64.RawURLEncoding.EncodeToString(must(s.public.Thumbprint(crypto.SHA256)))
}

func (s signer) sign(header, claims map[string]any) string {
	h := jws.NewHeaders()
	for name, value := range header {
		must(0, h.Set(name, value))
	}
	return string(must(jws.Sign(must(json.Marshal(claims)), jws.WithKey(jwa.ES256, s.key, jws.WithProtectedHeaders(h)))))
}

// token is an access token of the test's own issuer.
func (s signer) token(change map[string]any) string {
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": "https://own.test", "sub": "alice", "aud": "app", "iat": now, "exp": now + 600, "jti": uuid.NewString(), "sid": "s-alice",
		"client_id": "app", "act": map[string]string{"sub": "robot"}, "realm_access": map[string]any{"roles": []string{"auditor", "reader"}},
	}
	maps.Copy(claims, change)
	return s.sign(map[string]any{"typ": "at+jwt", "kid": "k"}, claims)
}

// proof proves that the signer sends r with a token.
func (s signer) proof(r *http.Request, token, nonce string) string {
	ath := sha256.Sum256([]byte(token))
	claims := map[string]any{
		"jti": uuid.NewString(), "htm": r.Method, "htu": r.URL.String(), "iat": time.Now().Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(ath[:]),
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	return s.sign(map[string]any{"typ": "dpop+jwt", "jwk": s.public}, claims)
}

// selfSigned writes a certificate and its key, good for server and client.
func selfSigned(t *testing.T, dir string) (cert, key string, pair tls.Certificate) {
	t.Helper()
	p := certtest.SelfSigned(t, func(c *x509.Certificate) { c.URIs = []*url.URL{{Scheme: "spiffe", Host: "own.test", Path: "/billing"}} })
	cert, key = p.Files(t, dir)
	return cert, key, p.Certificate
}

// boundRig is a gateway with TLS whose issuer is a signer of the test.
func boundRig(t *testing.T) (g *rig, issuer signer, client tls.Certificate) {
	t.Helper()
	return boundRigWith(t, func(*rig, string) {})
}

// boundRigWith is one whose configuration a test changes before it starts; dir is
// a folder for files.
func boundRigWith(t *testing.T, change func(g *rig, dir string)) (g *rig, issuer signer, client tls.Certificate) {
	t.Helper()
	g = newRig(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.URL.Path)) })
	dir := t.TempDir()
	issuer = newSigner()
	public := must(issuer.public.Clone())
	must(0, public.Set(jwk.KeyIDKey, "k"))
	jwks := filepath.Join(dir, "jwks.json")
	must(0, os.WriteFile(jwks, must(json.Marshal(map[string]any{"keys": []jwk.Key{public}})), 0o600))
	cert, key, client := selfSigned(t, dir)
	g.config.Listen.TLS = listen.TLS{CertFile: cert, KeyFile: key, ClientAuth: listen.ClientAuthOptional, ClientCAFile: cert}
	g.config.Identity.Issuers = []identity.Issuer{{Issuer: "https://own.test", Audiences: []string{"app"}, JWKSFile: jwks, DPoPNonce: true, RoleClaim: "realm_access.roles"}}
	g.config.Identity.Certificates = []identity.Certificate{{TrustDomain: "own.test"}}
	upstream := g.config.Routes[0].Upstream
	g.config.Routes = []route.Spec{
		{ID: "bound", Path: "/bound", Upstream: upstream, Binding: []string{event.BindingDPoP}},
		{ID: "theft", Path: "/theft", Upstream: upstream},
		{ID: "work", Path: "/work", Upstream: upstream, Binding: []string{event.BindingMTLS}},
	}
	change(g, dir)
	g.start(t, true)
	return g, issuer, client
}

// answer is what is left of a response once its body has been read.
type answer struct {
	StatusCode int
	Header     http.Header
}

// secure sends a request over TLS, with a certificate where one is given.
func (g *rig) secure(t *testing.T, path string, change func(*http.Request), certs ...tls.Certificate) (answer, string) {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: certs}}
	defer tr.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r := must(http.NewRequestWithContext(ctx, http.MethodGet, "https://"+g.gateway.Addr().String()+path, http.NoBody))
	change(r)
	res, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header}, string(text)
}

// A bound token serves its owner, and refuses a thief at his first request; the
// analyzer is told whose token it is.
func TestBoundTokenIsOfNoUseToAThief(t *testing.T) {
	g, issuer, _ := boundRig(t)
	owner, thief := newSigner(), newSigner()
	token := issuer.token(map[string]any{"cnf": map[string]string{"jkt": owner.jkt()}})
	nonce := ""
	var last string // The owner's last proof.
	send := func(path, scheme string, by *signer) (answer, string) {
		return g.secure(t, path, func(r *http.Request) {
			r.Header.Set("Authorization", scheme+" "+token)
			if by != nil {
				last = by.proof(r, token, nonce)
				r.Header.Set("DPoP", last)
			}
		})
	}
	res, text := send("/bound", "DPoP", &owner)
	nonce = res.Header.Get("DPoP-Nonce")
	if res.StatusCode != http.StatusUnauthorized || nonce == "" || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), `DPoP realm="vigil", error="use_dpop_nonce"`) {
		t.Fatalf("the first proof, without a nonce: %d %s %v", res.StatusCode, text, res.Header)
	}
	res, text = send("/bound", "DPoP", &owner)
	if res.StatusCode != http.StatusOK || text != "/bound" {
		t.Errorf("the owner: %d %s", res.StatusCode, text)
	}
	again := last
	res, text = g.secure(t, "/bound", func(r *http.Request) {
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", again)
	})
	if problemOf(t, text)["code"] != identity.CodeProofRepeated || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a proof that is used again: %d %s", res.StatusCode, text)
	}
	for i, tt := range []struct {
		scheme, code, challenge string
		by                      *signer
	}{
		{"Bearer", identity.CodeBound, `error="invalid_token"`, nil},
		{"DPoP", identity.CodeProofKey, `DPoP realm="vigil", error="invalid_dpop_proof"`, &thief},
		{"DPoP", identity.CodeProofMissing, `DPoP realm="vigil", error="invalid_dpop_proof"`, nil},
	} {
		res, text = send("/theft", tt.scheme, tt.by)
		if res.StatusCode != http.StatusUnauthorized || problemOf(t, text)["code"] != tt.code || !strings.Contains(res.Header.Get("WWW-Authenticate"), tt.challenge) {
			t.Errorf("theft %d: %d %s %v", i, res.StatusCode, text, res.Header)
		}
	}
	token = issuer.token(nil)
	res, text = send("/bound", "Bearer", nil)
	if problemOf(t, text)["code"] != "binding_required" || !strings.Contains(res.Header.Get("WWW-Authenticate"), "DPoP realm=") {
		t.Errorf("a token that is bound to nothing: %d %s %v", res.StatusCode, text, res.Header)
	}
	// A device is a key, and a verdict may name it.
	token = issuer.token(map[string]any{"cnf": map[string]string{"jkt": owner.jkt()}})
	g.revoke(t, verdict.ActionBlock, verdict.TargetDevice, owner.jkt())
	res, text = send("/bound", "DPoP", &owner)
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("a device that is blocked: %d %s", res.StatusCode, text)
	}

	must(0, g.stop())
	events := g.events(t)
	subject, session, actor := g.names.Subject("https://own.test", "alice"), g.names.Session("https://own.test", "s-alice"), g.names.Subject("https://own.test", "robot")
	var served bool
	for _, e := range events["bound"] {
		if e.Decision != event.DecisionPermit {
			continue
		}
		served = true
		if e.Binding != event.BindingDPoP || e.Device != owner.jkt() || e.Subject != subject || e.Attributes[event.AttributeActor] != actor || e.Attributes[event.AttributeRoles] != "auditor,reader" {
			t.Errorf("the owner's event is %v", e)
		}
	}
	told := make(map[string]bool)
	for _, e := range events["theft"] {
		told[e.Reason] = true
		known := e.Reason != identity.CodeProofMissing
		if e.Decision != event.DecisionDeny || (e.Session == session) != known || (e.TokenId != "") != known || e.Binding != event.BindingNone || e.Device != "" {
			t.Errorf("the event of %s is %v", e.Reason, e)
		}
	}
	if !served || !told[event.ReasonTokenBound] || !told[event.ReasonProofKey] {
		t.Errorf("served %v, told %v", served, told)
	}
}

// A client certificate proves a service, and a token that is bound to it.
func TestClientCertificateOnTheWire(t *testing.T) {
	g, issuer, client := boundRig(t)
	sum := sha256.Sum256(client.Certificate[0])
	thumb := base64.RawURLEncoding.EncodeToString(sum[:])
	token := issuer.token(map[string]any{"cnf": map[string]string{"x5t#S256": thumb}})
	alone := func(*http.Request) {}
	withToken := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	for name, tt := range map[string]struct {
		change func(*http.Request)
		certs  []tls.Certificate
		code   any
		status int
	}{
		"a certificate alone":            {alone, []tls.Certificate{client}, nil, 200},
		"nothing":                        {alone, nil, "token_missing", 401},
		"its token with the certificate": {withToken, []tls.Certificate{client}, nil, 200},
		"its token without it":           {withToken, nil, identity.CodeBound, 401},
	} {
		res, text := g.secure(t, "/work", tt.change, tt.certs...)
		if res.StatusCode != tt.status {
			t.Errorf("%s: %d %s", name, res.StatusCode, text)
			continue
		}
		if tt.status != http.StatusOK && problemOf(t, text)["code"] != tt.code {
			t.Errorf("%s: %s, want %s", name, text, tt.code)
		}
	}
	must(0, g.stop())
	methods := make(map[string]bool)
	for _, e := range g.events(t)["work"] {
		if e.Decision == event.DecisionPermit {
			methods[e.AuthMethod] = true
			if e.Binding != event.BindingMTLS || e.Device != thumb {
				t.Errorf("event %v", e)
			}
		}
	}
	if !methods[identity.MethodJWT] || !methods[identity.MethodMTLS] {
		t.Errorf("auth methods %v", methods)
	}
}

// An API key opens the gateway, and the upstream sees neither it nor a proof.
func TestAPIKeyStaysHere(t *testing.T) {
	var key string
	g, _, _ := boundRigWith(t, func(g *rig, dir string) {
		upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprint(w, r.Header.Values("X-Api-Key"), r.Header.Values("X_Api_Key"), r.Header.Values("Dpop"), r.Header.Values("Client-Cert"))
		}))
		t.Cleanup(upstream.Close)
		g.config.Routes = []route.Spec{{ID: "work", Path: "/work", Upstream: upstream.URL, Scopes: []string{"work"}}}
		pepper := bytes.Repeat([]byte("p"), 32)
		var entry identity.APIKey
		var err error
		key, entry, err = identity.NewAPIKey(pepper, identity.APIKey{ID: "vk_a", Subject: "billing", Scopes: []string{"work"}, Expires: time.Now().Add(time.Hour)})
		must(0, err)
		g.config.Identity.APIKeys = identity.APIKeys{Header: "X-Api-Key", KeysFile: filepath.Join(dir, "keys.json"), PepperFile: filepath.Join(dir, "pepper")}
		must(0, os.WriteFile(g.config.Identity.APIKeys.KeysFile, must(json.Marshal(entry)), 0o600))
		must(0, os.WriteFile(g.config.Identity.APIKeys.PepperFile, pepper, 0o600))
	})
	res, text := g.secure(t, "/work", func(r *http.Request) {
		for _, name := range []string{"X-Api-Key", "X_api_key", "DPoP", "Client-Cert"} {
			r.Header.Set(name, key)
		}
	})
	if res.StatusCode != http.StatusOK || text != "[] [] [] []" {
		t.Errorf("the upstream saw %d %q", res.StatusCode, text)
	}
	res, text = g.secure(t, "/work", func(r *http.Request) { r.Header.Set("X-Api-Key", key+"x") })
	if res.StatusCode != http.StatusUnauthorized || problemOf(t, text)["code"] != identity.CodeAPIKey {
		t.Errorf("another key: %d %s", res.StatusCode, text)
	}
	g.revoke(t, verdict.ActionRevoke, verdict.TargetSubject, g.names.Subject("vigil:api_keys", "billing"))
	res, text = g.secure(t, "/work", func(r *http.Request) { r.Header.Set("X-Api-Key", key) })
	if res.StatusCode != http.StatusUnauthorized || problemOf(t, text)["code"] != "session_revoked" {
		t.Errorf("a subject that is revoked: %d %s", res.StatusCode, text)
	}
}

func TestConfigPromises(t *testing.T) {
	own := identity.Issuer{Issuer: "https://a.test", Audiences: []string{"x"}, ACRValues: []string{"silver"}}
	spec := route.Spec{ID: "a", Path: "/a", Upstream: "http://a"}
	for name, tt := range map[string]struct {
		change func(*gateway.Config)
		want   string
	}{
		"an acr that no issuer can give": {func(c *gateway.Config) { c.Routes[0].ACR = []string{"gold"} }, `routes[0].acr: nobody can give any of ["gold"]; what can be given is ["silver"]`},
		"an acr that one may give": {func(c *gateway.Config) {
			c.Routes[0].ACR = []string{"gold"}
			c.Identity.Issuers = append(c.Identity.Issuers, identity.Issuer{Issuer: "https://b.test", Audiences: []string{"x"}})
		}, ""},
		"an acr that a provider of sign-ins gives": {func(c *gateway.Config) {
			c.Routes[0].ACR = []string{"gold"}
			c.Login.Providers = []login.Provider{{ID: "p", ACRValues: []string{"gold"}}}
		}, ""},
		"an acr that neither gives": {func(c *gateway.Config) {
			c.Routes[0].ACR = []string{"gold"}
			c.Login.Providers = []login.Provider{{ID: "p", ACRValues: []string{"bronze"}}}
		}, `routes[0].acr: nobody can give any of ["gold"]; what can be given is ["bronze" "silver"]`},
		"an acr that a code of our own gives": {func(c *gateway.Config) {
			c.Routes[0].ACR = []string{"code"}
			c.Login.Providers = []login.Provider{{ID: "p", ACRValues: []string{"bronze"}}}
			c.Login.SecondFactor.CodeACR = "code"
		}, ""},
		"an acr of our own that a provider says it gives": {func(c *gateway.Config) {
			c.Login.Providers = []login.Provider{{ID: "p", ACRValues: []string{"bronze", "code"}}}
			c.Login.SecondFactor.CodeACR = "code"
		}, `login.providers[0].acr_values: "code" is that of login.second_factor`},
		"a route where our own pages are": {func(c *gateway.Config) {
			c.Routes[0].Path, c.Login.Providers = "/.vigil/jwks.json", []login.Provider{{ID: "p"}}
		}, "routes[0].path: /.vigil/jwks.json is never served by a route"},
		"peers without this gateway": {func(c *gateway.Config) {
			c.ID, c.Login.Providers, c.Login.Peers = "gw-1", []login.Provider{{ID: "p"}}, []login.Peer{{ID: "gw-2", URL: "https://gw-2.test"}}
		}, `login.peers: lists all gateways that share the key ring, and this one, "gw-1", is missing`},
		"a certificate that nobody is asked for": {func(c *gateway.Config) { c.Routes[0].Binding = []string{"mtls"} }, "routes[0].binding: mtls, and listen.tls.client_auth"},
		"a session that nobody can have":         {func(c *gateway.Config) { c.Routes[0].Binding = []string{"cookie"} }, "routes[0].binding: cookie, and nobody signs in here"},
		"an issuer that binds to certificates":   {func(c *gateway.Config) { c.Identity.Issuers[0].Binding = []string{"mtls"} }, "identity.issuers[0].binding: mtls"},
		"certificates as identities":             {func(c *gateway.Config) { c.Identity.Certificates = []identity.Certificate{{TrustDomain: "a"}} }, "identity.certificates: listen.tls.client_auth"},
		"an unknown binding":                     {func(c *gateway.Config) { c.Routes[0].Binding = []string{"dpopp"} }, `routes[0].binding[0]: unknown value "dpopp", did you mean "dpop"?`},
		"a pin that a route passes by with its port": {func(c *gateway.Config) {
			c.Routes = append(c.Routes, route.Spec{ID: "b", Path: "/b", Upstream: "https://Up.test:443"})
			c.Routes[0].Upstream, c.Proxy.UpstreamTLS = "https://up.test", []proxy.UpstreamTLS{{Host: "up.test", CAFile: "ca.pem"}}
		}, "routes[1].upstream: write Up.test:443 as proxy.upstream_tls[0].host does, up.test"},
		"a public route that binds": {func(c *gateway.Config) { c.Routes[0].Public, c.Routes[0].Binding = true, []string{"dpop"} }, "routes[0].public"},
	} {
		c := gateway.DefaultConfig()
		c.Identity.Issuers, c.Routes = []identity.Issuer{own}, []route.Spec{spec}
		tt.change(&c)
		err := c.Validate()
		text := ""
		if err != nil {
			text = err.Error()
		}
		if tt.want != "" && !strings.Contains(text, tt.want) || tt.want == "" && strings.Contains(text, ".acr:") {
			t.Errorf("%s: Validate() = %v, want %q", name, err, tt.want)
		}
	}
}

// What is allowed and hardly meant is warned of.
func TestWarnings(t *testing.T) {
	says := identity.Issuer{Issuer: "https://a.test", ACRValues: []string{"silver"}}
	silent := identity.Issuer{Issuer: "https://b.test"}
	social := login.Provider{ID: "s", Type: login.TypeOAuth2, Issuer: "social"}
	for name, tt := range map[string]struct {
		change func(*gateway.Config)
		want   string
	}{
		"an acr that nobody says he can give": {func(c *gateway.Config) {
			c.Identity.Issuers, c.Routes[0].ACR = []identity.Issuer{says, silent}, []string{"gold"}
		}, `routes[0].acr: nobody says that he can give any of ["gold"]`},
		"an acr that one says he can give": {func(c *gateway.Config) {
			c.Identity.Issuers, c.Routes[0].ACR = []identity.Issuer{says, silent}, []string{"silver"}
		}, ""},
		"an acr where nobody says anything": {func(c *gateway.Config) {
			c.Identity.Issuers, c.Routes[0].ACR = []identity.Issuer{silent}, []string{"gold"}
		}, ""},
		"a method that nobody can give": {func(c *gateway.Config) {
			c.Login.Providers, c.Login.SecondFactor.ACR, c.Routes[0].AMR = []login.Provider{social}, "key", []string{"hwk", "otp"}
		}, `routes[0].amr: nobody can give "otp"`},
		"a method of our own": {func(c *gateway.Config) {
			c.Login.Providers, c.Login.SecondFactor.ACR, c.Routes[0].AMR = []login.Provider{social}, "key", []string{"hwk"}
		}, ""},
		"a method that an issuer may give": {func(c *gateway.Config) {
			c.Identity.Issuers, c.Routes[0].AMR = []identity.Issuer{silent}, []string{"otp"}
		}, ""},
		"a provider that cannot step up": {func(c *gateway.Config) { c.Login.Providers = []login.Provider{social} }, "login.providers[0].type: it does not say when"},
		"proofs for any host":            {func(c *gateway.Config) { c.Routes[0].Binding = []string{"dpop"} }, "identity.dpop.origins: is empty"},
		"proofs that an issuer's tokens need, for any host": {func(c *gateway.Config) {
			c.Identity.Issuers = []identity.Issuer{{Issuer: "https://a.test", Binding: []string{"mtls", "dpop"}}}
		}, "identity.dpop.origins: is empty"},
		"proofs for our own origins": {func(c *gateway.Config) {
			c.Routes[0].Binding, c.Identity.DPoP.Origins = []string{"dpop"}, []string{"https://api.test"}
		}, ""},
		"proofs for the hosts of routes": {func(c *gateway.Config) { c.Routes[0].Binding, c.Routes[0].Host = []string{"dpop"}, "api.test" }, ""},
		"no routes":                      {func(c *gateway.Config) { c.Routes = nil }, "routes: is empty"},
		"no credentials":                 {func(c *gateway.Config) { c.Identity.APIKeys.KeysFile = "" }, "identity.issuers: is empty, as are"},
		"no credentials and no need": {func(c *gateway.Config) {
			c.Identity.APIKeys.KeysFile, c.Routes[0].Public = "", true
		}, ""},
		"sign-ins without a provider": {func(c *gateway.Config) { c.Login.ExternalURL = "https://a.test" }, "login.providers: is empty"},
		"one beside which our own second factor stands": {func(c *gateway.Config) {
			c.Login.Providers, c.Login.SecondFactor.CodeACR = []login.Provider{social}, "code"
		}, ""},
	} {
		c := gateway.DefaultConfig()
		c.Routes = []route.Spec{{ID: "a", Path: "/a", Upstream: "http://a"}}
		c.Identity.APIKeys.KeysFile = "keys.json" // Somebody can say who he is.
		tt.change(&c)
		got := strings.Join(c.Warnings(), "\n")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) || strings.Count(got, "\n") > 0 {
			t.Errorf("%s: Warnings() = %s, want %q", name, got, tt.want)
		}
	}
}
