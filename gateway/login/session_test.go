package login_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// A session ends by time, whatever is done; unlike the cookie's own word, ours counts.
func TestTimeouts(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		g := newRig(t)
		p := g.person()
		p.signIn()
		for range 5 {
			g.pass(25 * time.Minute)
			_, err := p.use()
			if err != nil {
				t.Fatalf("in use: %v", err)
			}
			g.settled()
		}
		g.pass(30 * time.Minute)
		_, err := p.use()
		wantFault(t, err, login.CodeExpired)
	})
	t.Run("idle, at a gateway that has not seen it before", func(t *testing.T) {
		g := newRig(t)
		p := g.person()
		p.signIn()
		g.pass(29 * time.Minute)
		c := g.login
		g.start(config(ringFile(t, 1), g.op.URL)) // Another ring: not its session.
		_, err := p.use()
		wantFault(t, err, login.CodeCookie)
		g.login = c
		g.pass(2 * time.Minute)
		_, err = p.use()
		wantFault(t, err, login.CodeExpired)
	})
	t.Run("absolute", func(t *testing.T) {
		g := newRig(t)
		g.op.sign = func(p *fakeOP) string { return p.token(object{"alg": "EdDSA", "kid": "k1"}, p.claims(nil)) }
		p := g.person()
		p.signIn()
		for range 35 {
			g.pass(20 * time.Minute)
			_, err := p.use()
			if err != nil {
				t.Fatalf("in use: %v", err)
			}
			g.settled()
		}
		g.pass(20 * time.Minute)
		_, err := p.use()
		wantFault(t, err, login.CodeExpired)
	})
	t.Run("a provider that has been away for too long", func(t *testing.T) {
		g := newRig(t)
		p := g.person()
		p.signIn()
		g.op.refresh = func(url.Values) (int, object) { return 503, object{} }
		for range 4 { // The first of them finds out.
			g.pass(20 * time.Minute)
			_, err := p.use()
			if err != nil {
				t.Fatalf("while the provider is away: %v", err)
			}
			g.settled()
		}
		g.pass(time.Minute)
		_, err := p.use()
		wantFault(t, err, login.CodeStale)
	})
}

// settled waits until no renewal is under way.
func (g *rig) settled() {
	g.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); g.login.Renewing() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatal("a renewal goes on")
		}
	}
}

// Cookies that are none of ours, or not for this.
func TestForgedCookies(t *testing.T) {
	g := newRig(t)
	p := g.person()
	p.begin("/.vigil/login")
	flow := maps.Clone(p.cookies)
	p.signIn()
	session := p.cookies["__Host-vigil"]
	if g.login.Device(p.request(http.MethodGet, "/")) == "" { // Both are remembered from here on.
		t.Fatal("a browser that has signed in is no device")
	}
	_, err := p.use()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"empty":                    "",
		"not base64":               "%%%",
		"too short":                session[:20],
		"a bit changed":            flip(session),
		"cut off":                  session[:len(session)-8],
		"with something behind it": session + "AAAA",
		"a device for a session":   p.cookies["__Host-vigil-device"],
		"a sign-in for a session":  first(flow),
	} {
		t.Run(name, func(t *testing.T) {
			thief := g.person()
			thief.cookies["__Host-vigil"] = value
			_, err := thief.use()
			wantFault(t, err, login.CodeCookie)
		})
	}
	t.Run("a session for a device", func(t *testing.T) {
		thief := g.person()
		thief.cookies["__Host-vigil-device"] = session
		if got := g.login.Device(thief.request(http.MethodGet, "/")); got != "" {
			t.Errorf("device %q, want none", got)
		}
	})
	t.Run("twice", func(t *testing.T) {
		r := p.request(http.MethodGet, "/")
		r.AddCookie(&http.Cookie{Name: "__Host-vigil", Value: session})
		_, err := g.login.Recognise(r, login.Visitor{})
		wantFault(t, err, login.CodeCookie)
	})
	t.Run("none", func(t *testing.T) {
		_, err := g.person().use()
		if !errors.Is(err, identity.ErrNone) {
			t.Errorf("error %v, want ErrNone", err)
		}
	})
	_, err = p.use()
	if err != nil {
		t.Errorf("the session itself: %v", err)
	}
}

// A ring that is replaced while the gateway runs opens what its keys have sealed, and
// forgets what was under a key that is gone.
func TestRingReloaded(t *testing.T) {
	g := newRig(t)
	p := g.person()
	p.signIn()
	_, err := p.use()
	if err != nil {
		t.Fatal(err)
	}
	file := g.login.RingFile()
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	next, err := os.ReadFile(ringFile(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	replace := func(text []byte) error {
		err := os.WriteFile(file, text, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return g.login.ReloadRing()
	}
	err = replace(append(next, old...))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.use()
	if err != nil {
		t.Errorf("under a new first key: %v", err)
	}
	err = replace([]byte("nonsense"))
	if err == nil {
		t.Error("nonsense is taken for a ring")
	}
	_, err = p.use()
	if err != nil {
		t.Errorf("after a fault in the file: %v", err)
	}
	err = replace(next)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.use()
	wantFault(t, err, login.CodeCookie)
}

func flip(s string) string {
	b := []byte(s)
	if b[60] == 'A' {
		b[60] = 'B'
	} else {
		b[60] = 'A'
	}
	return string(b)
}

func first(m map[string]string) string {
	for _, v := range m {
		return v
	}
	return ""
}

// A session that does not fit into one cookie is divided, and its parts are of no
// use with those of another.
func TestLargeSessions(t *testing.T) {
	g := newRig(t)
	big := strings.Repeat("x", 3000)
	g.op.sign = func(p *fakeOP) string {
		return p.token(object{"alg": "EdDSA", "kid": "k1"}, p.claims(object{"pad": big[:2000]}))
	}
	p, q := g.person(), g.person()
	p.signIn()
	q.signIn()
	if p.cookies["__Host-vigil-1"] == "" {
		t.Fatalf("cookies %v, want two parts", len(p.cookies))
	}
	for name, v := range p.cookies {
		if len(name)+len(v) > 4000 {
			t.Errorf("cookie %s is %d bytes", name, len(name)+len(v))
		}
	}
	_, err := p.use()
	if err != nil {
		t.Errorf("two parts: %v", err)
	}
	mixed := p.clone()
	mixed.cookies["__Host-vigil-1"] = q.cookies["__Host-vigil-1"]
	_, err = mixed.use()
	wantFault(t, err, login.CodeCookie)
	delete(mixed.cookies, "__Host-vigil-1")
	_, err = mixed.use()
	wantFault(t, err, login.CodeCookie)

	g.op.sign = func(p *fakeOP) string { return p.token(object{"alg": "EdDSA", "kid": "k1"}, p.claims(nil)) }
	p.signIn()
	if _, there := p.cookies["__Host-vigil-1"]; there {
		t.Error("a part of the larger session before is still there")
	}
}

// Many requests at a time renew a session once, and each of its tabs goes on.
func TestOneRefreshAtATime(t *testing.T) {
	g := newRig(t)
	p := g.person()
	p.signIn()
	old := p.clone()
	g.pass(9 * time.Minute)
	var wg sync.WaitGroup
	for range 50 {
		r := old.request(http.MethodGet, "/page")
		wg.Go(func() { _, _ = g.login.Recognise(r, login.Visitor{UserAgent: "test"}) })
	}
	wg.Wait()
	g.settled()
	if n := g.op.renewed(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	for range 3 { // The refresh token of the old cookie is used up, and never sent again.
		g.pass(9 * time.Minute)
		got, err := old.use()
		if err != nil || got.Identity.AuthTime != noon.UTC() {
			t.Fatalf("a tab with the old cookie: %v, %v", got, err)
		}
		g.settled()
	}
	if diff := cmp.Diff([]string{event.ReasonLogin, event.ReasonRefresh, event.ReasonRefresh, event.ReasonRefresh, event.ReasonRefresh}, g.reasons()); diff != "" {
		t.Errorf("session events (-want +got):\n%s", diff)
	}
}

// What a provider's answer to a refresh must not do.
func TestRefreshThatMustNotCount(t *testing.T) {
	tests := map[string]func(g *rig) (int, object){
		"the provider has ended the session": func(*rig) (int, object) { return 400, object{"error": "invalid_grant"} },
		"the new ID token is of somebody else": func(g *rig) (int, object) {
			return 200, object{"access_token": "a", "token_type": "Bearer", "id_token": g.op.token(object{"alg": "EdDSA", "kid": "k1"}, g.op.claims(object{"sub": "mallory"}))}
		},
		"the new ID token is for somebody else": func(g *rig) (int, object) {
			return 200, object{"access_token": "a", "token_type": "Bearer", "id_token": g.op.token(object{"alg": "EdDSA", "kid": "k1"}, g.op.claims(object{"aud": "other"}))}
		},
	}
	for name, refresh := range tests {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			p := g.person()
			p.signIn()
			g.op.refresh = func(url.Values) (int, object) { return refresh(g) }
			g.pass(9 * time.Minute)
			_, err := p.use()
			if err != nil {
				t.Fatalf("before the answer: %v", err)
			}
			g.settled()
			_, err = p.use()
			wantFault(t, err, login.CodeEnded)
			if len(g.verdicts) != 1 {
				t.Errorf("%d verdicts, want one that cuts what is open", len(g.verdicts))
			}
		})
	}
	t.Run("a refresh raises neither context nor time of authentication", func(t *testing.T) {
		g := newRig(t)
		p := g.person()
		p.signIn()
		g.pass(9 * time.Minute)
		g.op.refresh = func(url.Values) (int, object) {
			return 200, object{"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": g.op.token(object{"alg": "EdDSA", "kid": "k1"}, g.op.claims(object{"acr": "mfa"}))}
		}
		_, _ = p.use()
		g.settled()
		got, err := p.use()
		if err != nil || got.Identity.ACR != "pwd" || !got.Identity.AuthTime.Equal(noon) {
			t.Errorf("after a refresh: %+v, %v; want acr pwd at noon", got.Identity, err)
		}
	})
}

// demand asks for a step-up, and returns what the provider is asked.
func (p *person) demand(d login.Demand) url.Values {
	p.g.t.Helper()
	got, err := p.use()
	if err != nil {
		p.g.t.Fatal(err)
	}
	w := httptest.NewRecorder()
	_, done := p.g.login.Challenge(w, p.request(http.MethodGet, "/strong"), got, d)
	if !done {
		p.g.t.Fatal("no challenge")
	}
	p.keep(w.Header())
	u, _ := url.Parse(w.Header().Get("Location"))
	p.g.op.nonce = u.Query().Get("nonce")
	return u.Query()
}

// A step-up is what the provider proves, not that it was asked.
func TestStepUp(t *testing.T) {
	sign := func(change object) func(*fakeOP) string {
		return func(p *fakeOP) string { return p.token(object{"alg": "EdDSA", "kid": "k1"}, p.claims(change)) }
	}
	strong := login.Demand{StepUp: true, ACR: []string{"mfa"}}
	fresh := login.Demand{StepUp: true, Fresh: true}
	methods := login.Demand{StepUp: true, Fresh: true, AMR: []string{"pwd", "otp"}}
	tests := map[string]struct {
		demand login.Demand
		says   object
		code   string
	}{
		"the context that was asked for": {strong, object{"acr": "mfa"}, ""},
		"another context":                {strong, object{"acr": "pwd"}, login.CodeUnfulfilled},
		"no context":                     {strong, object{"acr": nil}, login.CodeUnfulfilled},
		"authenticated anew":             {fresh, nil, ""},
		"not asked again":                {fresh, object{"auth_time": noon.Unix()}, login.CodeUnfulfilled},
		"does not say when":              {fresh, object{"auth_time": nil}, login.CodeUnfulfilled},
		"too long ago":                   {login.Demand{StepUp: true, MaxAge: time.Minute}, object{"auth_time": noon.Unix()}, login.CodeUnfulfilled},
		"the methods that are asked for": {methods, object{"amr": []string{"pwd", "otp"}}, ""},
		"one of two methods":             {methods, object{"amr": []string{"pwd"}}, login.CodeUnfulfilled},
		"no methods":                     {methods, nil, login.CodeUnfulfilled},
		"somebody else":                  {strong, object{"acr": "mfa", "sub": "mallory"}, login.CodeAccount},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			p := g.person()
			p.signIn()
			before, err := p.use()
			if err != nil {
				t.Fatal(err)
			}
			g.pass(5 * time.Minute)
			asked := p.demand(tt.demand)
			if tt.demand.Fresh && (asked.Get("prompt") != "login" || asked.Get("max_age") != "0") {
				t.Errorf("asks %v, want prompt=login", asked)
			}
			g.op.sign = sign(tt.says)
			_, a := p.answer(asked)
			if a.Code != tt.code {
				t.Fatalf("answer %+v, want code %q", a, tt.code)
			}
			after, err := p.use()
			if err != nil || after.Identity.Session != before.Identity.Session || after.Identity.Subject != before.Identity.Subject {
				t.Fatalf("session after: %v, %v", after, err)
			}
			if tt.code != "" && (after.Identity.ACR != "pwd" || !after.Identity.AuthTime.Equal(noon)) {
				t.Errorf("the session has gained %s at %s", after.Identity.ACR, after.Identity.AuthTime)
			}
			if tt.code == "" && after.Identity.TokenID == before.Identity.TokenID {
				t.Error("the cookie was not replaced")
			}
		})
	}
}

// The cookie from before a step-up serves what was on its way, and nobody later.
func TestSupersededCookie(t *testing.T) {
	g := newRig(t)
	p := g.person()
	p.signIn()
	thief := p.clone()
	g.pass(time.Minute)
	p.stepUp()
	g.pass(30 * time.Second)
	got, err := thief.use()
	if err != nil || got.Identity.ACR != "pwd" {
		t.Errorf("at once: %v, %v; want the old rights", got, err)
	}
	g.pass(time.Minute)
	_, err = thief.use()
	wantFault(t, err, login.CodeSuperseded)
	whose(t, err, got.Identity)
	got, err = p.use()
	if err != nil || got.Identity.ACR != "mfa" {
		t.Errorf("the owner: %v, %v", got, err)
	}
}

// whose checks that the analyzer is told whose session a cookie was that does not count.
func whose(t *testing.T, err error, want *identity.Identity) {
	t.Helper()
	refused, ok := errors.AsType[*identity.Error](err)
	switch {
	case !ok || refused.Stolen == nil:
		t.Errorf("%v does not say whose it was", err)
	case refused.Stolen.Session != want.Session || refused.Stolen.Subject != want.Subject:
		t.Errorf("it was %+v's, want %+v", refused.Stolen, want)
	}
}

// Where nobody remembers that a cookie was replaced it counts again, and gains nothing
// by that; nor does it outlive its session.
func TestASupersededCookieThatIsForgottenGainsNothing(t *testing.T) {
	g := newRig(t, func(c *login.Config) { c.SessionsMax = 3 })
	p := g.person()
	p.signIn()
	thief := p.clone()
	unused := p.clone()
	g.pass(time.Minute)
	p.stepUp()
	g.pass(2 * time.Minute)
	_, err := thief.use()
	wantFault(t, err, login.CodeSuperseded)
	for range 10 {
		g.person().signIn()
	}
	old, err := thief.use()
	if err != nil || old.Identity.ACR != "pwd" || !old.Identity.AuthTime.Equal(noon) {
		t.Fatalf("the cookie from before: %v, %v; want the rights that it had", old, err)
	}
	owner, err := p.use()
	if err != nil || owner.Identity.ACR != "mfa" || owner.Identity.Session != old.Identity.Session || owner.Identity.TokenID == old.Identity.TokenID {
		t.Errorf("the owner: %v, %v; want the same session by another token", owner, err)
	}
	g.pass(2 * time.Minute)
	_, err = thief.use()
	wantFault(t, err, login.CodeSuperseded) // His cookie is remembered again.
	for range 10 {
		g.person().signIn()
	}
	g.pass(31 * time.Minute)
	_, err = unused.use()
	wantFault(t, err, login.CodeExpired)
}

// A challenge is for people who wait for a page, and leads to our own pages only.
func TestChallenge(t *testing.T) {
	g := newRig(t)
	stranger := g.person()
	tests := map[string]struct {
		method string
		header []string
		want   bool
	}{
		"a page":                    {http.MethodGet, []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, true},
		"a page for an old browser": {http.MethodGet, nil, true},
		"a script":                  {http.MethodGet, []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, false},
		"a frame":                   {http.MethodGet, []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, false},
		"a program":                 {http.MethodGet, []string{"Accept", "application/json"}, false},
		"a WebSocket":               {http.MethodGet, []string{"Upgrade", "websocket"}, false},
		"a form":                    {http.MethodPost, nil, false},
		"a bearer of another token": {http.MethodGet, []string{"Authorization", "Bearer x"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			_, done := g.login.Challenge(w, stranger.request(tt.method, "/a/b?c=d", tt.header...), nil, login.Demand{})
			if done != tt.want {
				t.Fatalf("Challenge() = %v, want %v", done, tt.want)
			}
			if want := "/.vigil/login?return_to=%2Fa%2Fb%3Fc%3Dd"; done && w.Header().Get("Location") != want {
				t.Errorf("Location %q, want %q", w.Header().Get("Location"), want)
			}
		})
	}
	t.Run("another host", func(t *testing.T) {
		r := stranger.request(http.MethodGet, "/")
		r.Host = "evil.test"
		_, done := g.login.Challenge(httptest.NewRecorder(), r, nil, login.Demand{})
		if done {
			t.Error("redirected a browser that is not here")
		}
	})
}

// Whom a provider still knows it sends back without a question: that proves nothing
// after a verdict, and would lead round and round.
func TestAProviderThatCannotSayWhenLiftsNoStepUp(t *testing.T) {
	silent := func(c *login.Config) { c.Providers[0].AuthTime = login.AuthTimeCallback }
	start := func(t *testing.T, change ...func(*login.Config)) (*rig, *person, *login.Presence) {
		t.Helper()
		g := newRig(t, append(change, silent)...)
		g.op.sign = func(p *fakeOP) string {
			return p.token(object{"alg": "EdDSA", "kid": "k1"}, p.claims(object{"auth_time": nil}))
		}
		p := g.person()
		p.signIn()
		got, err := p.use()
		if err != nil {
			t.Fatal(err)
		}
		return g, p, got
	}
	asked := login.Demand{StepUp: true, Fresh: true, Verdict: true}
	t.Run("nor is an age kept by it", func(t *testing.T) {
		g, p, got := start(t)
		w := httptest.NewRecorder()
		a, done := g.login.Challenge(w, p.request(http.MethodGet, "/page"), got, login.Demand{StepUp: true, MaxAge: time.Hour})
		if !done || a.Code != login.CodeUnproven || w.Header().Get("Location") != "" {
			t.Errorf("challenge: %v, %+v, to %q; want a page", done, a, w.Header().Get("Location"))
		}
	})
	t.Run("nor is a posture met by it", func(t *testing.T) {
		g, p, got := start(t)
		w := httptest.NewRecorder()
		a, done := g.login.Challenge(w, p.request(http.MethodGet, "/page"), got, login.Demand{StepUp: true, Fresh: true})
		if !done || a.Code != login.CodeUnproven || w.Header().Get("Location") != "" {
			t.Errorf("challenge: %v, %+v, to %q; want a page", done, a, w.Header().Get("Location"))
		}
	})
	t.Run("a method that is lacking is asked for", func(t *testing.T) {
		g, p, got := start(t)
		w := httptest.NewRecorder()
		_, done := g.login.Challenge(w, p.request(http.MethodGet, "/page"), got, login.Demand{StepUp: true, Fresh: true, AMR: []string{"sms"}})
		if !done || w.Header().Get("Location") == "" {
			t.Errorf("challenge: %v, to %q; want the provider", done, w.Header().Get("Location"))
		}
	})
	t.Run("the person is told", func(t *testing.T) {
		g, p, got := start(t)
		w := httptest.NewRecorder()
		a, done := g.login.Challenge(w, p.request(http.MethodGet, "/page"), got, asked)
		if !done || a.Code != login.CodeUnproven || w.Code != http.StatusForbidden || w.Header().Get("Location") != "" {
			t.Errorf("challenge: %v, %+v, status %d to %q; want a page", done, a, w.Code, w.Header().Get("Location"))
		}
		if !got.Identity.Assumed {
			t.Error("the session counts as vouched for")
		}
	})
	t.Run("a new sign-in is no better", func(t *testing.T) {
		g, p, _ := start(t)
		g.pass(time.Minute)
		p.signIn()
		got, err := p.use()
		if err != nil || !got.Identity.Assumed {
			t.Errorf("%+v, %v; want nobody to vouch for it", got, err)
		}
	})
	t.Run("our own second factor does", func(t *testing.T) {
		g, p, got := start(t, func(c *login.Config) { c.SecondFactor.ACR = keyACR })
		w := httptest.NewRecorder()
		_, done := g.login.Challenge(w, p.request(http.MethodGet, "/page"), got, asked)
		if !done || !strings.HasPrefix(w.Header().Get("Location"), "/.vigil/confirm?by=key") {
			t.Fatalf("challenge leads to %q", w.Header().Get("Location"))
		}
		page, _ := p.confirmPage(t)
		key := newAuthenticator(t)
		if a := p.confirm(page, key.make(page.challenge)); a.Status != http.StatusSeeOther {
			t.Fatalf("set up: %+v", a)
		}
		got, err := p.use()
		if err != nil || got.Identity.Assumed {
			t.Errorf("after a confirmation %+v, %v", got, err)
		}
	})
}

// A route that asks for a method of our own second factor leads to it.
func TestAMethodOfOurOwnLeadsToOurOwnPage(t *testing.T) {
	g := newRig(t, func(c *login.Config) { c.SecondFactor.ACR, c.SecondFactor.CodeACR = keyACR, "urn:vigil:code" })
	g.op.sign = func(p *fakeOP) string {
		return p.token(object{"alg": "EdDSA", "kid": "k1"}, p.claims(object{"amr": []string{"pwd"}}))
	}
	p := g.person()
	p.signIn()
	got, err := p.use()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		demand login.Demand
		want   string
	}{
		"a key":                          {login.Demand{AMR: []string{"hwk"}}, "/.vigil/confirm?by=key"},
		"a key beside what is there":     {login.Demand{AMR: []string{"pwd", "hwk"}}, "/.vigil/confirm?by=key"},
		"a code":                         {login.Demand{AMR: []string{"otp"}}, "/.vigil/confirm?by=code"},
		"more than one of ours gives":    {login.Demand{AMR: []string{"otp", "hwk"}}, g.op.URL},
		"a method of the provider's":     {login.Demand{AMR: []string{"face"}}, g.op.URL},
		"our context by another method":  {login.Demand{ACR: []string{keyACR}, AMR: []string{"face"}}, g.op.URL},
		"a context of a key, and a code": {login.Demand{ACR: []string{keyACR}, AMR: []string{"otp"}}, g.op.URL},
	} {
		tt.demand.StepUp, tt.demand.Fresh = true, true
		w := httptest.NewRecorder()
		_, _ = g.login.Challenge(w, p.request(http.MethodGet, "/page"), got, tt.demand)
		if to := w.Header().Get("Location"); !strings.HasPrefix(to, tt.want) {
			t.Errorf("%s leads to %s, want %s", name, to, tt.want)
		}
	}
}

// Of a context that the provider gives and one of our own, what the route names first
// is asked for.
func TestTheRouteSaysWhichContextIsWantedMore(t *testing.T) {
	g := newRig(t, func(c *login.Config) { c.SecondFactor.ACR, c.Providers[0].ACRValues = keyACR, []string{"mfa"} })
	p := g.person()
	p.signIn()
	got, err := p.use()
	if err != nil {
		t.Fatal(err)
	}
	for want, acr := range map[string][]string{g.op.URL: {"gold", "mfa", keyACR}, "/.vigil/confirm?by=key": {keyACR, "mfa"}} {
		w := httptest.NewRecorder()
		_, _ = g.login.Challenge(w, p.request(http.MethodGet, "/page"), got, login.Demand{StepUp: true, ACR: acr})
		if to := w.Header().Get("Location"); !strings.HasPrefix(to, want) {
			t.Errorf("%v lead to %s, want %s", acr, to, want)
		}
	}
}

// A session is renewed behind its streams: no credential of it ends under them.
func TestSessionHasNoEndThatStreamsWouldMeet(t *testing.T) {
	g := newRig(t)
	p := g.person()
	p.signIn()
	got, err := p.use()
	if err != nil || !got.Identity.Expires.IsZero() {
		t.Errorf("%+v, %v; want an identity without an end", got, err)
	}
}
