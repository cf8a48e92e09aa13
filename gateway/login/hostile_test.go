package login_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Every ID token here is an attack, or a provider that has gone wrong.
func TestHostileIDTokens(t *testing.T) {
	good := object{"alg": "EdDSA", "kid": "k1", "typ": "JWT"}
	claims := func(change object) func(*fakeOP) string {
		return func(p *fakeOP) string { return p.token(good, p.claims(change)) }
	}
	header := func(change object) func(*fakeOP) string {
		return func(p *fakeOP) string {
			return p.token(merge(object{"alg": "EdDSA", "kid": "k1", "typ": "JWT"}, change), p.claims(nil))
		}
	}
	later := noon.Add(time.Hour).Unix()
	tests := map[string]func(*fakeOP) string{
		"no ID token at all": func(*fakeOP) string { return "" },
		"algorithm none": func(p *fakeOP) string {
			return encode(object{"alg": "none", "kid": "k1"}) + "." + encode(p.claims(nil)) + "."
		},
		"signed with the public key as an HMAC secret": func(p *fakeOP) string {
			signing := encode(object{"alg": "HS256", "kid": "k1"}) + "." + encode(p.claims(nil))
			mac := hmac.New(sha256.New, p.key.Public().(ed25519.PublicKey))
			mac.Write([]byte(signing))
			return signing + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		},
		"signed by another key under the same id": func(p *fakeOP) string {
			_, other, _ := ed25519.GenerateKey(rand.Reader)
			return (&fakeOP{key: other}).token(good, p.claims(nil))
		},
		"a key that the provider does not have": header(object{"kid": "k2"}),
		"no key id":                             header(object{"kid": nil}),
		"key by jku":                            header(object{"jku": "https://evil.test/jwks"}),
		"key by x5u":                            header(object{"x5u": "https://evil.test/cert"}),
		"key in the header":                     header(object{"jwk": object{"kty": "OKP"}}),
		"an extension that must be understood":  header(object{"crit": []string{"b64"}, "b64": false}),
		"encrypted":                             func(*fakeOP) string { return "a.b.c.d.e" },
		"a member twice": func(p *fakeOP) string {
			b, _ := json.Marshal(p.claims(nil))
			return p.signed(encode(good) + "." + encode(`{"sub":"mallory",`+string(b[1:])))
		},
		"another issuer":                    claims(object{"iss": "https://evil.test"}),
		"for another client":                claims(object{"aud": "other"}),
		"for several clients without azp":   claims(object{"aud": []string{"vigil", "other"}}),
		"made out to another party":         claims(object{"aud": []string{"vigil", "other"}, "azp": "other"}),
		"one audience, made out to another": claims(object{"azp": "other"}),
		"expired":                           claims(object{"exp": noon.Add(-2 * time.Minute).Unix()}),
		"without an end":                    claims(object{"exp": nil}),
		"issued in the future":              claims(object{"iat": later}),
		"without a time of issue":           claims(object{"iat": nil}),
		"authenticated in the future":       claims(object{"auth_time": later}),
		"without nonce":                     claims(object{"nonce": nil}),
		"with the nonce of another sign-in": claims(object{"nonce": "other"}),
		"names nobody":                      claims(object{"sub": nil}),
		"names nobody, in so many words":    claims(object{"sub": ""}),
		"a name without end":                claims(object{"sub": strings.Repeat("a", 5000)}),
		"a number for a name":               claims(object{"sub": 7}),
		"another access token":              claims(object{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}),
		"a logout token":                    func(p *fakeOP) string { return p.token(good, p.logout(nil)) },
		"claims that are no object":         func(p *fakeOP) string { return p.signed(encode(good) + "." + encode(`["sub"]`)) },
		"another name in another spelling":  claims(object{"SUB": "mallory"}),
		"a name in letters that fold alike": claims(object{"\u017fub": "mallory"}),
		"a context in another spelling":     claims(object{"Acr": "mfa"}),
		"signature cut off":                 func(p *fakeOP) string { s := p.token(good, p.claims(nil)); return s[:len(s)-4] },
		"a payload that was changed afterwards": func(p *fakeOP) string {
			parts := strings.Split(p.token(good, p.claims(nil)), ".")
			return parts[0] + "." + encode(p.claims(object{"sub": "mallory"})) + "." + parts[2]
		},
	}
	g := newRig(t)
	for name, sign := range tests {
		t.Run(name, func(t *testing.T) {
			g.op.sign = sign
			p := g.person()
			w, a := p.answer(p.begin("/.vigil/login"))
			if a.Code != login.CodeIDToken || a.Status != http.StatusBadGateway || a.AuthOutcome != event.AuthFailure {
				t.Errorf("answer %+v, want %s", a, login.CodeIDToken)
			}
			for _, c := range w.Result().Cookies() {
				if strings.HasPrefix(c.Name, "__Host-vigil") && c.MaxAge >= 0 {
					t.Errorf("sets cookie %s", c.Name)
				}
			}
		})
	}
	if len(g.told) > 0 {
		t.Errorf("%d session events, want none", len(g.told))
	}
	t.Run("odd but valid", func(*testing.T) {
		for _, change := range []object{
			{"aud": []string{"vigil"}},
			{"aud": []string{"vigil", "other"}, "azp": "vigil"},
			{"sid": nil},
			{"acr": nil},
			{"exp": noon.Add(-30 * time.Second).Unix()},
			{"iat": noon.Add(30 * time.Second).Unix()},
			{"extra": object{"a": []int{1}}},
		} {
			g.op.sign = claims(change)
			g.person().signIn()
		}
	})
}

// What a provider has to prove before it may end a session.
func TestHostileLogoutTokens(t *testing.T) {
	typed := object{"alg": "EdDSA", "kid": "k1", "typ": "logout+jwt"}
	claims := func(change object) func(*fakeOP) string {
		return func(p *fakeOP) string { return p.token(typed, p.logout(change)) }
	}
	const about = "http://schemas.openid.net/event/backchannel-logout"
	tests := map[string]func(*fakeOP) string{
		"none at all": func(*fakeOP) string { return "" },
		"an ID token": func(p *fakeOP) string {
			return p.token(object{"alg": "EdDSA", "kid": "k1", "typ": "JWT"}, p.claims(nil))
		},
		"an ID token in disguise": func(p *fakeOP) string { return p.token(typed, p.claims(nil)) },
		"with a nonce":            claims(object{"nonce": "n"}),
		"of another type": func(p *fakeOP) string { // One of no type, or JWT, is none (section 4.1).
			return p.token(object{"alg": "EdDSA", "kid": "k1", "typ": "at+jwt"}, p.logout(nil))
		},
		"about nothing":                 claims(object{"events": nil}),
		"a name in another spelling":    claims(object{"SID": "op-2"}),
		"about something else":          claims(object{"events": object{"http://schemas.openid.net/event/other": object{}}}),
		"about a logout that is a text": claims(object{"events": object{about: "yes"}}),
		"about a logout that is null":   claims(object{"events": object{about: json.RawMessage("null")}}),
		"without an id":                 claims(object{"jti": nil}),
		"names nobody":                  claims(object{"sid": nil}),
		"without a time":                claims(object{"iat": nil}),
		"of yesterday":                  claims(object{"iat": noon.Add(-24 * time.Hour).Unix()}),
		"of tomorrow":                   claims(object{"iat": noon.Add(24 * time.Hour).Unix()}),
		"without an end":                claims(object{"exp": nil}),
		"expired":                       claims(object{"exp": noon.Add(-2 * time.Minute).Unix()}),
		"for another client":            claims(object{"aud": "other"}),
		"of an unknown issuer":          claims(object{"iss": "https://evil.test"}),
		"algorithm none": func(p *fakeOP) string {
			return encode(object{"alg": "none", "kid": "k1", "typ": "logout+jwt"}) + "." + encode(p.logout(nil)) + "."
		},
		"signed by somebody else": func(p *fakeOP) string {
			_, other, _ := ed25519.GenerateKey(rand.Reader)
			return (&fakeOP{key: other}).token(typed, p.logout(nil))
		},
		"larger than any": claims(object{"pad": strings.Repeat("x", 20<<10)}),
	}
	g := newRig(t)
	alice := g.person()
	alice.signIn()
	send := func(t *testing.T, method, token string) login.Answer {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, "/.vigil/backchannel-logout", strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w, a := g.person().visit(r)
		if w.Header().Get("Connection") != "close" {
			t.Error("the provider may come back on a connection that is closed by then")
		}
		return a
	}
	for name, sign := range tests {
		t.Run(name, func(t *testing.T) {
			if a := send(t, http.MethodPost, sign(g.op)); a.Status != http.StatusBadRequest {
				t.Errorf("answer %+v, want 400", a)
			}
		})
	}
	if a := send(t, http.MethodGet, claims(nil)(g.op)); a.Status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %+v, want 405", a)
	}
	_, err := alice.use()
	if err != nil || len(g.verdicts) > 0 {
		t.Fatalf("after %d hostile logout tokens: %v, %d verdicts", len(tests), err, len(g.verdicts))
	}

	twice := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/.vigil/backchannel-logout", strings.NewReader(url.Values{"logout_token": {claims(nil)(g.op), "x"}}.Encode()))
	twice.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if _, a := g.person().visit(twice); a.Status != http.StatusBadRequest {
		t.Errorf("two logout tokens: %+v, want 400", a)
	}

	token := claims(nil)(g.op)
	if a := send(t, http.MethodPost, token); a.Status != http.StatusOK {
		t.Fatalf("a good logout token: %+v", a)
	}
	_, err = alice.use()
	wantFault(t, err, login.CodeEnded)
	if len(g.verdicts) != 2 || g.verdicts[0].GetTarget().GetKind() != verdict.TargetSession || g.verdicts[0].GetAction() != verdict.ActionRevoke {
		t.Errorf("verdicts %v, want one on our session and one on the provider's", g.verdicts)
	}
	if a := send(t, http.MethodPost, token); a.Status != http.StatusBadRequest {
		t.Errorf("replayed: %+v, want 400", a)
	}
	for _, typ := range []any{"logout+jwt", "JWT", nil} { // The type is recommended, not required.
		t.Run(fmt.Sprintf("all sessions of a person, by a token of type %v", typ), func(t *testing.T) {
			one, two := g.person(), g.person()
			one.signIn()
			two.signIn()
			if a := send(t, http.MethodPost, g.op.token(merge(object{"alg": "EdDSA", "kid": "k1", "typ": typ}, nil), g.op.logout(object{"sid": nil, "sub": "alice"}))); a.Status != http.StatusOK {
				t.Fatalf("a logout token with sub: %+v", a)
			}
			for _, p := range []*person{one, two} {
				_, err := p.use()
				wantFault(t, err, login.CodeEnded)
			}
			last := g.verdicts[len(g.verdicts)-1]
			if last.GetTarget().GetKind() != verdict.TargetSubject || last.GetNotBefore() == nil {
				t.Errorf("verdict %v, want one on the subject that spares later sign-ins", last)
			}
		})
	}
	if got := g.reasons(); slices.Index(got, event.ReasonLogout) < 0 {
		t.Errorf("session events %v, want logouts among them", got)
	}
}

func wantFault(t *testing.T, err error, code string) {
	t.Helper()
	if !errors.Is(err, &identity.Error{Code: code}) {
		t.Errorf("error %v, want %s", err, code)
	}
}

// What a provider's description says is not believed about whom we call: it must not
// lead us into the house, nor to somebody who speaks for another issuer.
func TestHostileDescriptions(t *testing.T) {
	// Link-local and unspecified addresses are refused even where a provider in the same
	// house is allowed. Who connects to the latter reaches this very machine.
	ourselves := func(p *fakeOP, path string) string { return strings.Replace(p.URL, "127.0.0.1", "0.0.0.0", 1) + path }
	for name, change := range map[string]func(*fakeOP) object{
		"tokens at the cloud's metadata service": func(*fakeOP) object { return object{"token_endpoint": "http://169.254.169.254/latest/meta-data/"} },
		"keys at the cloud's metadata service":   func(*fakeOP) object { return object{"jwks_uri": "http://169.254.169.254/latest/meta-data/"} },
		"tokens at no address":                   func(p *fakeOP) object { return object{"token_endpoint": ourselves(p, "/token")} },
		"keys at no address":                     func(p *fakeOP) object { return object{"jwks_uri": ourselves(p, "/jwks")} },
		"keys in a file":                         func(*fakeOP) object { return object{"jwks_uri": "file:///etc/passwd"} },
		"tokens in a file":                       func(*fakeOP) object { return object{"token_endpoint": "file:///etc/passwd"} },
		"another issuer":                         func(*fakeOP) object { return object{"issuer": "https://evil.test"} },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			g.op.describes = change(g.op)
			p := g.person()
			r := p.request(http.MethodGet, "/.vigil/login")
			w, a := p.visit(r)
			to, err := url.Parse(w.Header().Get("Location"))
			if err == nil && a.Status == http.StatusSeeOther {
				g.op.mu.Lock()
				g.op.nonce = to.Query().Get("nonce")
				g.op.mu.Unlock()
				_, a = p.answer(to.Query())
			}
			if a.Status < 400 || p.cookies["__Host-vigil"] != "" {
				t.Errorf("answer %+v, cookies %v; want no session", a, p.cookies)
			}
		})
	}
}

// A provider whose clock is ahead must not put a sign-in after the verdicts of the next
// minute, which the session would outlive.
func TestNobodyHasSignedInInTheFuture(t *testing.T) {
	g := newRig(t)
	g.op.sign = func(p *fakeOP) string {
		ahead := noon.Add(50 * time.Second).Unix()
		return p.token(object{"alg": "EdDSA", "kid": "k1", "typ": "JWT"}, p.claims(object{"auth_time": ahead, "iat": ahead}))
	}
	p := g.person()
	p.signIn()
	g.pass(30 * time.Second)
	got, err := p.use()
	if err != nil {
		t.Fatal(err)
	}
	if at := got.Identity.AuthTime; !at.Equal(noon) {
		t.Errorf("signed in at %s, want %s", at, noon)
	}
}
