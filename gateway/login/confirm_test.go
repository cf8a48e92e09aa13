package login_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/schemas/event"
)

const keyACR = "urn:vigil:key"

// authenticator is a security key in software. What it says about a ceremony can be
// falsified.
type authenticator struct {
	t       *testing.T
	private *ecdsa.PrivateKey
	id      []byte
	count   uint32

	origin string
	flags  byte // User present 1, verified 4.
}

func newAuthenticator(t *testing.T) *authenticator {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &authenticator{t: t, private: private, id: []byte("key-" + rand.Text()), origin: home, flags: 1 | 4}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// about is the client's data on a ceremony.
func (a *authenticator) about(kind, challenge string) []byte {
	return fmt.Appendf(nil, `{"type":"webauthn.%s","challenge":%q,"origin":%q,"crossOrigin":false}`, kind, challenge, a.origin)
}

// data is the authenticator's (Web Authentication Level 3, section 6.1).
func (a *authenticator) data(flags byte, rest []byte) []byte {
	a.count++
	rp := sha256.Sum256([]byte("app.example.test"))
	out := append(rp[:], flags)
	out = binary.BigEndian.AppendUint32(out, a.count)
	return append(out, rest...)
}

// make makes a key, without attestation.
func (a *authenticator) make(challenge string) string {
	a.t.Helper()
	point, err := a.private.PublicKey.Bytes()
	if err != nil {
		a.t.Fatal(err)
	}
	cose := append([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20}, point[1:33]...)
	cose = append(append(cose, 0x22, 0x58, 0x20), point[33:]...)
	rest := binary.BigEndian.AppendUint16(make([]byte, 16), uint16(len(a.id)))
	data := a.data(a.flags|0x40, append(append(rest, a.id...), cose...))
	object := append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"), byte(len(data)>>8), byte(len(data)))
	return encodeAnswer(a.t, a.id, map[string]string{
		"clientDataJSON": b64(a.about("create", challenge)), "attestationObject": b64(append(object, data...)),
	})
}

// use signs a challenge.
func (a *authenticator) use(challenge string) string {
	a.t.Helper()
	about, data := a.about("get", challenge), a.data(a.flags, nil)
	hash := sha256.Sum256(about)
	sum := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.private, sum[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return encodeAnswer(a.t, a.id, map[string]string{"clientDataJSON": b64(about), "authenticatorData": b64(data), "signature": b64(signature)})
}

func encodeAnswer(t *testing.T, id []byte, response map[string]string) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"id": b64(id), "rawId": b64(id), "type": "public-key", "response": response, "clientExtensionResults": object{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// asked is a page that asks for a confirmation.
type asked struct {
	token, challenge string
	make             bool
}

// confirmPage opens the page; where is not empty where the browser is sent elsewhere.
func (p *person) confirmPage(t *testing.T) (a asked, where string) {
	t.Helper()
	w, _ := p.visit(p.request(http.MethodGet, "/.vigil/confirm?return_to=/strong"))
	if w.Code == http.StatusSeeOther {
		return asked{}, w.Header().Get("Location")
	}
	text := w.Body.String()
	token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(text)
	options := regexp.MustCompile(`data-options="([^"]+)"`).FindStringSubmatch(text)
	if token == nil || options == nil {
		t.Fatalf("no ceremony: %d %s", w.Code, text)
	}
	var o struct {
		PublicKey struct {
			Challenge string `json:"challenge"`
		} `json:"publicKey"`
	}
	err := json.Unmarshal([]byte(html.UnescapeString(options[1])), &o)
	if err != nil {
		t.Fatal(err)
	}
	if policy := w.Header().Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "script-src 'sha256-") {
		t.Errorf("the page has the policy %q", policy)
	}
	return asked{token: token[1], challenge: o.PublicKey.Challenge, make: strings.Contains(text, `data-make="1"`)}, ""
}

// confirm posts an authenticator's answer.
func (p *person) confirm(a asked, answer string) login.Answer {
	p.g.t.Helper()
	_, got := p.tryConfirm(a, answer)
	return got
}

// tryConfirm is confirm with what the browser sees.
func (p *person) tryConfirm(a asked, answer string) (*httptest.ResponseRecorder, login.Answer) {
	p.g.t.Helper()
	r := p.request(http.MethodPost, "/.vigil/confirm", "Sec-Fetch-Site", "same-origin", "Content-Type", "application/x-www-form-urlencoded")
	body := url.Values{"token": {a.token}, "answer": {answer}}.Encode()
	r.Body = http.NoBody
	post := httptest.NewRequestWithContext(r.Context(), http.MethodPost, "/.vigil/confirm", strings.NewReader(body))
	post.Header, post.Host = r.Header, r.Host
	return p.visit(post)
}

func TestConfirmation(t *testing.T) {
	g := newRig(t, func(c *login.Config) { c.SecondFactor.ACR = keyACR })
	p, key := g.person(), newAuthenticator(t)
	p.signIn()
	before, err := p.use()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	_, done := g.login.Challenge(w, p.request(http.MethodGet, "/strong"), before, login.Demand{StepUp: true, ACR: []string{keyACR}})
	if !done || w.Header().Get("Location") != "/.vigil/confirm?by=key&return_to=%2Fstrong" {
		t.Fatalf("a route that asks for our context leads to %q", w.Header().Get("Location"))
	}
	a, _ := p.confirmPage(t)
	if !a.make {
		t.Fatal("a browser without a key is asked for one")
	}
	if got := p.confirm(a, key.make(a.challenge)); got.Status != http.StatusSeeOther || got.AuthOutcome != event.AuthSuccess {
		t.Fatalf("set up: %+v", got)
	}
	g.pass(20 * time.Minute)
	a, _ = p.confirmPage(t)
	if a.make {
		t.Fatal("a browser with a key is given another")
	}
	if got := p.confirm(a, key.use(a.challenge)); got.Status != http.StatusSeeOther {
		t.Fatalf("confirm: %+v", got)
	}
	after, err := p.use()
	if err != nil || after.Identity.Session != before.Identity.Session || after.Identity.ACR != keyACR || !after.Identity.AuthTime.Equal(g.now()) {
		t.Errorf("after: %+v, %v; want session %s to go on with %s", after.Identity, err, before.Identity.Session, keyACR)
	}
	stepUps := 0
	for _, reason := range g.reasons() { // A renewal in the background comes when it comes.
		if reason == event.ReasonStepUp {
			stepUps++
		}
	}
	if stepUps != 2 {
		t.Errorf("session events %v, want one step-up for setting up and one for confirming", g.reasons())
	}
}

// What an authenticator, a page or a cookie must not get away with.
func TestHostileConfirmations(t *testing.T) {
	type scene struct {
		p     *person
		key   *authenticator
		asked asked
	}
	// ready is a person with a key, who is asked for it.
	ready := func(t *testing.T, g *rig) scene {
		t.Helper()
		s := scene{p: g.person(), key: newAuthenticator(t)}
		s.p.signIn()
		a, _ := s.p.confirmPage(t)
		if got := s.p.confirm(a, s.key.make(a.challenge)); got.Status != http.StatusSeeOther {
			t.Fatalf("set up: %+v", got)
		}
		s.asked, _ = s.p.confirmPage(t)
		return s
	}
	tests := map[string]func(g *rig, s *scene) string{
		"no answer": func(*rig, *scene) string { return "" },
		"nonsense":  func(*rig, *scene) string { return `{"id":1}` },
		"another challenge": func(_ *rig, s *scene) string {
			return s.key.use(b64([]byte("0123456789abcdef0123456789abcdef")))
		},
		"signed for another site": func(_ *rig, s *scene) string {
			s.key.origin = "https://evil.test"
			return s.key.use(s.asked.challenge)
		},
		"nobody was there": func(_ *rig, s *scene) string {
			s.key.flags = 0
			return s.key.use(s.asked.challenge)
		},
		"somebody, but not verified": func(_ *rig, s *scene) string {
			s.key.flags = 1
			return s.key.use(s.asked.challenge)
		},
		"a copy of the key": func(_ *rig, s *scene) string {
			s.key.count = 0
			return s.key.use(s.asked.challenge)
		},
		"another key": func(_ *rig, s *scene) string { return newAuthenticator(s.key.t).use(s.asked.challenge) },
		"another key under the same id": func(_ *rig, s *scene) string {
			other := newAuthenticator(s.key.t)
			other.id = s.key.id
			return other.use(s.asked.challenge)
		},
		"a new key where the old one was asked for": func(_ *rig, s *scene) string { return newAuthenticator(s.key.t).make(s.asked.challenge) },
		"too late": func(g *rig, s *scene) string {
			g.pass(6 * time.Minute)
			return s.key.use(s.asked.challenge)
		},
		"a page of another session": func(g *rig, s *scene) string {
			other := g.person()
			other.cookies["__Host-vigil-key"] = s.p.cookies["__Host-vigil-key"]
			other.signIn()
			s.asked, _ = other.confirmPage(t)
			return s.key.use(s.asked.challenge)
		},
		"a page that nobody sealed": func(_ *rig, s *scene) string {
			s.asked.token = s.p.cookies["__Host-vigil"]
			return s.key.use(s.asked.challenge)
		},
	}
	for name, attack := range tests {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, func(c *login.Config) { c.SecondFactor.ACR = keyACR })
			s := ready(t, g)
			s.key.count += 5
			before, err := s.p.use()
			if err != nil {
				t.Fatal(err)
			}
			answer := attack(g, &s)
			if got := s.p.confirm(s.asked, answer); got.Code != login.CodeConfirm || got.Status != http.StatusForbidden || got.AuthOutcome != event.AuthMFAFailure {
				t.Errorf("answer %+v, want %s", got, login.CodeConfirm)
			}
			after, err := s.p.use()
			if err != nil || !after.Identity.AuthTime.Equal(before.Identity.AuthTime) {
				t.Errorf("the session has gained by it: %v, %v", after, err)
			}
		})
	}
	t.Run("replayed", func(t *testing.T) {
		g := newRig(t, func(c *login.Config) { c.SecondFactor.ACR = keyACR })
		s := ready(t, g)
		answer := s.key.use(s.asked.challenge)
		thief := s.p.clone()
		if got := s.p.confirm(s.asked, answer); got.Status != http.StatusSeeOther {
			t.Fatalf("confirm: %+v", got)
		}
		if got := thief.confirm(s.asked, answer); got.Code != login.CodeConfirm {
			t.Errorf("the same answer again: %+v", got)
		}
	})
	t.Run("a thief of all cookies has no key, and is given none", func(t *testing.T) {
		g := newRig(t, func(c *login.Config) { c.SecondFactor.ACR = keyACR })
		s := ready(t, g)
		g.pass(10 * time.Minute)
		thief := s.p.clone()
		a, _ := thief.confirmPage(t)
		if a.make {
			t.Error("the thief may bring a key of his own")
		}
		delete(thief.cookies, "__Host-vigil-key") // He says that he has none.
		_, where := thief.confirmPage(t)
		if !strings.HasPrefix(where, "/.vigil/login?confirm=1") {
			t.Errorf("the thief is sent to %q, want the provider's sign-in", where)
		}
	})
	t.Run("the key of somebody else in the same browser", func(t *testing.T) {
		g := newRig(t, func(c *login.Config) { c.SecondFactor.ACR = keyACR })
		s := ready(t, g)
		g.op.sign = func(p *fakeOP) string {
			return p.token(object{"alg": "EdDSA", "kid": "k1"}, p.claims(object{"sub": "bob"}))
		}
		s.p.signIn()
		a, _ := s.p.confirmPage(t)
		if !a.make {
			t.Error("bob is asked for alice's key")
		}
	})
	t.Run("a code that was coaxed out of somebody gets no key", func(t *testing.T) {
		g := newRig(t, func(c *login.Config) { c.SecondFactor.ACR, c.SecondFactor.CodeACR = keyACR, codeACR })
		p := g.person()
		p.signIn()
		token, secret, _ := p.codePage(t)
		if got := p.confirm(asked{token: token}, g.code(secret)); got.Status != http.StatusSeeOther {
			t.Fatalf("set up: %+v", got)
		}
		g.pass(20 * time.Minute)
		token, _, _ = p.codePage(t)
		if got := p.confirm(asked{token: token}, g.code(secret)); got.Status != http.StatusSeeOther {
			t.Fatalf("confirm: %+v", got)
		}
		if _, where := p.confirmPage(t); !strings.HasPrefix(where, "/.vigil/login?confirm=1") {
			t.Errorf("whoever has only a code is sent to %q, want the provider's sign-in", where)
		}
	})
	t.Run("a key that is brought after a verdict", func(t *testing.T) {
		g := newRig(t, func(c *login.Config) { c.SecondFactor.ACR = keyACR })
		p, key := g.person(), newAuthenticator(t)
		p.signIn()
		a, _ := p.confirmPage(t)
		p.doubted = true
		if got := p.confirm(a, key.make(a.challenge)); got.Code != login.CodeConfirm {
			t.Errorf("set up: %+v", got)
		}
		if _, where := p.confirmPage(t); !strings.HasPrefix(where, "/.vigil/login?confirm=1") {
			t.Errorf("the page leads to %q, want the provider's sign-in", where)
		}
	})
	t.Run("a provider that says back whatever it was asked for", func(t *testing.T) {
		g := newRig(t, func(c *login.Config) {
			c.SecondFactor.ACR, c.SecondFactor.CodeACR, c.Providers[0].ACRValues = keyACR, codeACR, []string{"pwd", "mfa"}
		})
		for acr, want := range map[string]string{keyACR: "", codeACR: "", "gold": "", "mfa": "mfa"} {
			g.op.sign = func(p *fakeOP) string {
				return p.token(object{"alg": "EdDSA", "kid": "k1"}, p.claims(object{"acr": acr}))
			}
			p := g.person()
			p.signIn()
			got, err := p.use()
			if err != nil {
				t.Fatal(err)
			}
			if got.Identity.ACR != want {
				t.Errorf("a provider that says %q gives %q, want %q", acr, got.Identity.ACR, want)
			}
		}
	})
	t.Run("switched off", func(t *testing.T) {
		g := newRig(t)
		p := g.person()
		p.signIn()
		_, got := p.visit(p.request(http.MethodGet, "/.vigil/confirm"))
		if got.Status != http.StatusMethodNotAllowed {
			t.Errorf("the page is there: %+v", got)
		}
	})
}
