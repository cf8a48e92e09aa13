package login_test

import (
	"encoding/base32"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/schemas/event"
)

const codeACR = "urn:vigil:code"

// The vectors of RFC 6238, appendix B, to six digits.
func TestCodesOfRFC6238(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := login.CodeAt(secret, uint64(at/30)); got != want {
			t.Errorf("code at %d is %s, want %s", at, got, want)
		}
	}
}

// codePage opens the page that asks for a code; secret is set where a new one is shown.
func (p *person) codePage(t *testing.T) (token string, secret []byte, where string) {
	t.Helper()
	w, _ := p.visit(p.request(http.MethodGet, "/.vigil/confirm?by=code&return_to=/strong"))
	if w.Code == http.StatusSeeOther {
		return "", nil, w.Header().Get("Location")
	}
	text := w.Body.String()
	found := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(text)
	if found == nil || strings.Contains(text, "<script") {
		t.Fatalf("page %d %s", w.Code, text)
	}
	shown := regexp.MustCompile(`<code>([A-Z2-7 ]+)</code>`).FindStringSubmatch(text)
	if shown != nil {
		var err error
		secret, err = base32.StdEncoding.DecodeString(strings.ReplaceAll(shown[1], " ", ""))
		if err != nil || !strings.Contains(text, `href="otpauth://totp/app.example.test:Provider?`) {
			t.Fatalf("no secret for an app: %v in %s", err, text)
		}
	}
	return found[1], secret, ""
}

// code is what the app shows now.
func (g *rig) code(secret []byte) string { return login.CodeAt(secret, uint64(g.now().Unix()/30)) }

func TestCodes(t *testing.T) {
	begin := func(t *testing.T) (*rig, *person, []byte) {
		t.Helper()
		g := newRig(t, func(c *login.Config) { c.SecondFactor.CodeACR = codeACR })
		p := g.person()
		p.signIn()
		token, secret, _ := p.codePage(t)
		if secret == nil {
			t.Fatal("a browser without an app is shown no secret")
		}
		if got := p.confirm(asked{token: token}, g.code(secret)); got.Status != http.StatusSeeOther {
			t.Fatalf("set up: %+v", got)
		}
		return g, p, secret
	}
	t.Run("a code confirms", func(t *testing.T) {
		g, p, secret := begin(t)
		before, _ := p.use()
		g.pass(20 * time.Minute)
		token, again, _ := p.codePage(t)
		if again != nil {
			t.Fatal("a browser with an app is shown another secret")
		}
		if got := p.confirm(asked{token: token}, g.code(secret)); got.Status != http.StatusSeeOther || got.AuthOutcome != event.AuthSuccess {
			t.Fatalf("confirm: %+v", got)
		}
		after, err := p.use()
		if err != nil || after.Identity.ACR != codeACR || after.Identity.Session != before.Identity.Session || !after.Identity.AuthTime.Equal(g.now()) {
			t.Errorf("after: %+v, %v", after.Identity, err)
		}
	})
	t.Run("mistyped, and then where he was going", func(t *testing.T) {
		_, p, _ := begin(t)
		token, _, _ := p.codePage(t)
		w, _ := p.tryConfirm(asked{token: token}, "no code")
		if !strings.Contains(w.Body.String(), `<a href="/.vigil/confirm?by=code&amp;return_to=%2Fstrong">`) {
			t.Errorf("the page does not lead on: %s", w.Body)
		}
	})
	refused := func(t *testing.T, got login.Answer) {
		t.Helper()
		if got.Code != login.CodeConfirm || got.AuthOutcome != event.AuthMFAFailure {
			t.Errorf("answer %+v, want %s", got, login.CodeConfirm)
		}
	}
	t.Run("not twice", func(t *testing.T) {
		g, p, secret := begin(t)
		g.pass(2 * time.Minute)
		token, _, _ := p.codePage(t)
		code := g.code(secret)
		thief := p.clone()
		if got := p.confirm(asked{token: token}, code); got.Status != http.StatusSeeOther {
			t.Fatalf("confirm: %+v", got)
		}
		refused(t, thief.confirm(asked{token: token}, code))
	})
	t.Run("not twice, however many sign-ins strangers begin", func(t *testing.T) {
		g, p, secret := begin(t)
		g.pass(2 * time.Minute)
		token, _, _ := p.codePage(t)
		code := g.code(secret)
		thief := p.clone()
		if got := p.confirm(asked{token: token}, code); got.Status != http.StatusSeeOther {
			t.Fatalf("confirm: %+v", got)
		}
		g.login.FloodCallbacks()
		refused(t, thief.confirm(asked{token: token}, code))
	})
	t.Run("not later", func(t *testing.T) {
		g, p, secret := begin(t)
		token, _, _ := p.codePage(t)
		code := login.CodeAt(secret, uint64(g.now().Unix()/30)+1)
		g.pass(2 * time.Minute)
		refused(t, p.confirm(asked{token: token}, code))
	})
	t.Run("few guesses, and then not even the right one", func(t *testing.T) {
		g, p, secret := begin(t)
		g.pass(10 * time.Minute)
		token, _, _ := p.codePage(t)
		for range 5 {
			refused(t, p.confirm(asked{token: token}, "abcdef"))
		}
		refused(t, p.confirm(asked{token: token}, g.code(secret)))
		g.pass(10 * time.Minute)
		token, _, _ = p.codePage(t)
		if got := p.confirm(asked{token: token}, g.code(secret)); got.Status != http.StatusSeeOther {
			t.Errorf("after a while: %+v", got)
		}
	})
	t.Run("nothing at all", func(t *testing.T) {
		_, p, _ := begin(t)
		token, _, _ := p.codePage(t)
		refused(t, p.confirm(asked{token: token}, ""))
	})
	t.Run("a thief without the app's cookie is shown no secret", func(t *testing.T) {
		g, p, _ := begin(t)
		g.pass(10 * time.Minute)
		thief := p.clone()
		delete(thief.cookies, "__Host-vigil-code")
		_, secret, where := thief.codePage(t)
		if secret != nil || !strings.HasPrefix(where, "/.vigil/login?confirm=1") {
			t.Errorf("the thief is shown a secret, or sent to %q", where)
		}
	})
	t.Run("the app of somebody else", func(t *testing.T) {
		g, p, _ := begin(t)
		g.op.sign = func(p *fakeOP) string {
			return p.token(object{"alg": "EdDSA", "kid": "k1"}, p.claims(object{"sub": "bob"}))
		}
		p.signIn()
		_, secret, _ := p.codePage(t)
		if secret == nil {
			t.Error("bob is asked for a code of alice's app")
		}
	})
	t.Run("a code where a key was asked for", func(t *testing.T) {
		g := newRig(t, func(c *login.Config) { c.SecondFactor.ACR, c.SecondFactor.CodeACR = keyACR, codeACR })
		p := g.person()
		p.signIn()
		a, _ := p.confirmPage(t)
		refused(t, p.confirm(a, "123456"))
	})
}
