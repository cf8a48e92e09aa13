package login_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// A provider whose clock is off signs people in and out as long as it is off by less than
// the leeway, whichever claim says so.
func TestAProviderWhoseClockIsOff(t *testing.T) {
	type row struct {
		claim string
		off   int64 // Seconds that the claim is ahead of our clock.
		good  bool
	}
	idTokens := []row{
		{"iat", 59, true},
		{"iat", 61, false},
		{"iat", -3000, true},
		{"auth_time", 59, true},
		{"auth_time", 61, false},
		{"auth_time", -3000, true},
		{"nbf", 59, true},
		{"nbf", 61, false},
		{"nbf", 200, false},
		{"nbf", -3000, true},
		{"exp", -59, true},
		{"exp", -61, false},
	}
	logoutTokens := []row{
		{"iat", 59, true},
		{"iat", 61, false},
		{"iat", -3000, false},
		{"nbf", 59, true},
		{"nbf", 61, false},
		{"nbf", -3000, true},
		{"exp", -59, true},
		{"exp", -61, false},
	}
	g := newRig(t)
	for _, r := range idTokens {
		g.op.sign = func(p *fakeOP) string {
			return p.token(object{"alg": "EdDSA", "kid": "k1", "typ": "JWT"}, p.claims(object{r.claim: noon.Unix() + r.off}))
		}
		p := g.person()
		_, a := p.answer(p.begin("/.vigil/login"))
		if (a.Code == "") != r.good {
			t.Errorf("ID token, %s %+d s: %q, want good %v", r.claim, r.off, a.Code, r.good)
		}
	}
	for _, r := range logoutTokens {
		status := g.logout(object{r.claim: noon.Unix() + r.off})
		if (status == http.StatusOK) != r.good {
			t.Errorf("logout token, %s %+d s: status %d, want good %v", r.claim, r.off, status, r.good)
		}
	}
}

// logout sends the provider's word that a session has ended.
func (g *rig) logout(change object) (status int) {
	g.t.Helper()
	token := g.op.token(object{"alg": "EdDSA", "kid": "k1", "typ": "logout+jwt"}, g.op.logout(change))
	r := httptest.NewRequestWithContext(g.t.Context(), http.MethodPost, "/.vigil/backchannel-logout", strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, a := g.person().visit(r)
	return a.Status
}

// Whoever is cut off comes back by the provider's own session, unasked, at a provider
// whose clock is ahead: the sign-in from before the cut stays one from before it. Who has
// proved himself anew comes in.
func TestAClockThatIsAheadCarriesNoSignInOverACutOff(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Second, 10 * time.Second, 50 * time.Second, 59 * time.Second} {
		g := newRig(t)
		signIn := func(proved time.Time) time.Time {
			t.Helper()
			g.op.sign = func(p *fakeOP) string {
				return p.token(object{"alg": "EdDSA", "kid": "k1", "typ": "JWT"}, p.claims(object{
					"auth_time": proved.Add(ahead).Unix(), "iat": g.now().Add(ahead).Unix(), "nbf": g.now().Add(ahead).Unix(), "sid": nil,
				}))
			}
			p := g.person()
			p.signIn()
			got, err := p.use()
			if err != nil {
				t.Fatal(err)
			}
			return got.Identity.AuthTime
		}
		signIn(noon)
		g.pass(20 * time.Second)
		if status := g.logout(object{"sid": nil, "sub": "alice", "iat": g.now().Add(ahead).Unix()}); status != http.StatusOK {
			t.Fatalf("%v ahead: logout: status %d", ahead, status)
		}
		v := g.verdicts[len(g.verdicts)-1]
		if v.GetTarget().GetKind() != verdict.TargetSubject {
			t.Fatalf("%v ahead: verdict %v", ahead, v)
		}
		cutOff := v.GetNotBefore().AsTime()
		for range 4 {
			g.pass(25 * time.Second)
			if at := signIn(noon); !at.Equal(noon) || !at.Before(cutOff) {
				t.Errorf("%v ahead, %v later: signed in at %v, want %v, before the cut-off at %v", ahead, g.now().Sub(noon), at, noon, cutOff)
			}
		}
		if at := signIn(g.now()); at.Before(cutOff) {
			t.Errorf("%v ahead: who has signed in anew did so at %v, before the cut-off at %v", ahead, at, cutOff)
		}
	}
}

// A token that comes late must not make an old proof a new one.
func TestAClockThatIsBehindIsNotSetForward(t *testing.T) {
	g := newRig(t)
	g.op.sign = func(p *fakeOP) string {
		old := noon.Add(-40 * time.Minute).Unix()
		return p.token(object{"alg": "EdDSA", "kid": "k1", "typ": "JWT"}, p.claims(object{"auth_time": old, "iat": old + 1}))
	}
	p := g.person()
	p.signIn()
	got, err := p.use()
	if err != nil || !got.Identity.AuthTime.Equal(noon.Add(-40*time.Minute)) {
		t.Errorf("signed in at %v, %v", got.Identity.AuthTime, err)
	}
}
