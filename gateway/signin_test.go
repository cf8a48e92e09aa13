package gateway_test

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-gateway/vigil/deploy/devstack/certified"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Code with PKCE, and sign-out at the gateway and the provider.
func TestSignInAndOut(t *testing.T) {
	s := newSignInRig(t)
	s.start(t, true)
	b := s.browser(t)

	page := b.signIn("/app/1?q=2", "alice", password).told(t)
	if page["path"] != "/app/1?q=2" {
		t.Errorf("came back to %q, want the page that was asked for", page["path"])
	}
	if want := s.names.Subject(s.op.Issuer(), "alice"); page["subject"] != want {
		t.Errorf("the upstream was told subject %q, want %q", page["subject"], want)
	}
	if strings.Contains(page["cookie"], "vigil") {
		t.Errorf("the upstream was sent our cookies: %q", page["cookie"])
	}
	for _, c := range b.cookies() {
		if c.Value == "planted" {
			t.Error("the upstream has planted a cookie of ours")
		}
	}
	in := s.awaitHappening(t, event.ReasonLogin, 1)[0]
	if in.Session != page["session"] || in.Subject != page["subject"] || in.AuthOutcome != event.AuthSuccess || in.Device == "" || in.AuthTime == nil || in.Ja4 == "" {
		t.Errorf("session event %v, want that of session %s", in, page["session"])
	}

	// Somebody copies the cookies before the sign-out; a stream is open.
	thief := b.copyOf()
	ws, _, err := b.socket()
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, ws)
	ask := b.get("/.vigil/logout")
	if ask.Status != http.StatusOK || !strings.Contains(ask.Text, "Sign out?") {
		t.Fatalf("GET logout shows %d %s", ask.Status, ask.Text)
	}
	atOP := b.submit(ask, url.Values{})
	if code := closed(t, ws); code != websocket.StatusPolicyViolation {
		t.Errorf("WebSocket ended with %d, want 1008", code)
	}
	if atOP.URL.Host == strings.TrimPrefix(s.home, "https://") || !strings.Contains(atOP.Text, "form") {
		t.Fatalf("after sign-out the browser is at %s: %s, want the provider's page", atOP.URL, atOP.Text)
	}
	last := b.submit(atOP, url.Values{"logout": {"yes"}})
	if last.Status != http.StatusOK || last.URL.Path != "/.vigil/signed-out" {
		t.Errorf("signed out at %s: %d %s", last.URL, last.Status, last.Text)
	}
	if got := thief.get("/app/1", "Accept", "application/json"); got.Status != http.StatusUnauthorized {
		t.Errorf("a copied cookie after sign-out: %d, want 401", got.Status)
	}
	err = s.stop()
	if err != nil {
		t.Fatal(err)
	}
	s.start(t, true)
	if got := thief.get("/app/1", "Accept", "application/json"); got.Status != http.StatusUnauthorized {
		t.Errorf("a copied cookie after sign-out and a restart: %d, want 401", got.Status)
	}
	if again := b.get("/app/1"); !strings.Contains(again.Text, "Test provider") {
		t.Errorf("after sign-out a page shows %s: %s", again.URL, again.Text)
	}
	s.awaitHappening(t, event.ReasonLogout, 1)
}

// A refresh re-keys a live stream and does not cut it.
func TestARefreshLeavesAStreamOpen(t *testing.T) {
	s := newSignInRig(t, func(s *signInRig) { s.opts.AccessTokenFor = 4 * time.Second })
	s.start(t, true)
	b := s.browser(t)
	page := b.signIn("/app/1", "alice", password).told(t)
	late := b.copyOf() // Another tab, which goes on with the cookie from before.
	ws, _, err := b.socket()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.awaitHappening(t, event.ReasonRefresh, 2) { // Nobody but the stream is there to ask for them.
		if e.Session != page["session"] || e.Address == "" {
			t.Errorf("refresh of session %s from %q, want that of %s", e.Session, e.Address, page["session"])
		}
	}
	echoes(t, ws)
	got := late.get("/app/2")
	if told := got.told(t); told["session"] != page["session"] {
		t.Errorf("after two refreshes the session is %s, want %s", told["session"], page["session"])
	}
	if len(got.Header.Values("Set-Cookie")) < 2 || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the tab got no new cookies, or others may keep them: %v", got.Header)
	}
	got = late.get("/app/3")
	got.told(t)
	for _, c := range got.Header.Values("Set-Cookie") {
		if strings.HasPrefix(c, "__Host-vigil=") {
			t.Errorf("the tab got the same cookies again")
		}
	}
}

// A route that asks for more than the session has.
func TestStepUpByAContextGoesOnWithTheSession(t *testing.T) {
	s := newSignInRig(t)
	s.start(t, true)
	b := s.browser(t)
	page := b.signIn("/app/1", "alice", password).told(t)
	before := b.copyOf()

	api := b.get("/strong", "Accept", "application/json")
	if api.Status != http.StatusUnauthorized || !strings.Contains(api.Header.Get("WWW-Authenticate"), `acr_values="urn:vigil:mfa"`) {
		t.Errorf("a program is told %d %q, want a challenge of RFC 9470", api.Status, api.Header.Get("WWW-Authenticate"))
	}
	ask := b.get("/strong?x=1")
	if !strings.Contains(ask.Text, "Test provider") {
		t.Fatalf("a browser is shown %d %s: %s", ask.Status, ask.URL, ask.Text)
	}
	strong := b.submit(ask, url.Values{"login": {"alice"}, "act": {mfa}}).told(t)
	if strong["session"] != page["session"] || strong["path"] != "/strong?x=1" {
		t.Errorf("stepped up to session %s at %s, want %s to go on", strong["session"], strong["path"], page["session"])
	}
	up := s.awaitHappening(t, event.ReasonStepUp, 1)[0]
	if up.Acr != mfaACR || up.Session != page["session"] || up.AuthOutcome != event.AuthSuccess {
		t.Errorf("session event %v, want the step-up of %s", up, page["session"])
	}
	// Whoever holds a copy of the cookie from before has gained nothing by it.
	if got := before.get("/strong", "Accept", "application/json"); got.Status != http.StatusUnauthorized {
		t.Errorf("a copy of the old cookie opens the strong page: %d", got.Status)
	}
}

// A step-up that the provider does not do, or that somebody else does, is none.
func TestStepUpByAnotherAccountIsRefused(t *testing.T) {
	s := newSignInRig(t)
	s.start(t, true)
	b := s.browser(t)
	page := b.signIn("/app/1", "alice", password).told(t)
	got := b.submit(b.get("/strong"), url.Values{"login": {"mallory"}, "act": {mfa}})
	if got.Status != http.StatusForbidden || !strings.Contains(got.Text, "login_other_account") {
		t.Errorf("another account is shown %d %s", got.Status, got.Text)
	}
	// The provider may have signed alice out for it, and then a new session begins.
	if told := b.get("/app/1").told(t); told["subject"] != page["subject"] && told["session"] == page["session"] {
		t.Errorf("the session is now of %s", told["subject"])
	}
}

// A verdict asks for a step-up in the middle of a page with a WebSocket.
func TestStepUpByAVerdictSuspendsAndGoesOn(t *testing.T) {
	s := newSignInRig(t)
	s.start(t, true)
	b := s.browser(t)
	page := b.signIn("/app/1", "alice", password).told(t)
	ws, _, err := b.socket()
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, ws)
	s.revoke(t, verdict.ActionStepUp, verdict.TargetSession, page["session"])
	if code := closed(t, ws); code != websocket.StatusPolicyViolation {
		t.Errorf("WebSocket ended with %d, want 1008", code)
	}
	_, status, err := b.socket()
	if err == nil || status != http.StatusUnauthorized {
		t.Errorf("a new WebSocket: %d, %v, want 401", status, err)
	}
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // auth_time has whole seconds.
	ask := b.get("/app/1")
	if !strings.Contains(ask.Text, "Test provider") {
		t.Fatalf("a browser is shown %d %s: %s", ask.Status, ask.URL, ask.Text)
	}
	if told := b.submit(ask, url.Values{"login": {"alice"}, "act": {password}}).told(t); told["session"] != page["session"] {
		t.Errorf("goes on with session %s, want %s", told["session"], page["session"])
	}
	s.awaitHappening(t, event.ReasonStepUp, 1)
	ws, _, err = b.socket()
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, ws)
}

// A revoked session is not renewed any more, and its owner can sign in to a new one.
func TestARevokedSessionLeadsToANewSignIn(t *testing.T) {
	s := newSignInRig(t)
	s.start(t, true)
	b := s.browser(t)
	page := b.signIn("/app/1", "alice", password).told(t)
	s.revoke(t, verdict.ActionRevoke, verdict.TargetSession, page["session"])
	if got := b.copyOf().get("/app/1", "Accept", "application/json"); got.Status != http.StatusUnauthorized || !strings.Contains(got.Text, "session_revoked") {
		t.Errorf("a program with the cookie: %d %s", got.Status, got.Text)
	}
	ask := b.get("/app/1")
	if !strings.Contains(ask.Text, "login_prompt") { // Although the provider still knows alice.
		t.Fatalf("a browser is shown %d %s: %s", ask.Status, ask.URL, ask.Text)
	}
	next := b.submit(ask, url.Values{"login": {"alice"}, "act": {password}}).told(t)
	if next["session"] == page["session"] || next["subject"] != page["subject"] {
		t.Errorf("signed in to session %s of %s, want a new one of %s", next["session"], next["subject"], page["subject"])
	}
}

// The provider says that the session has ended there.
func TestBackchannelLogoutCutsOpenStreams(t *testing.T) {
	s := newSignInRig(t)
	s.start(t, true)
	b, other := s.browser(t), s.browser(t)
	b.signIn("/app/1", "alice", password).told(t)
	other.signIn("/app/1", "bob", password).told(t)
	ws, _, err := b.socket()
	if err != nil {
		t.Fatal(err)
	}
	spared, _, err := other.socket()
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, ws)
	sse := make(chan error, 1)
	events := b.open(t, "/events")
	go func() {
		text, err := io.ReadAll(events)
		if err == nil && !strings.Contains(string(text), "session_revoked") {
			err = fmt.Errorf("the stream ends without a word: %q", text)
		}
		sse <- err
	}()
	copied := b.copyOf()

	// Signed out at the provider, in a tab of another application.
	end := b.submit(b.get(s.op.Issuer()+"/session/end"), url.Values{"logout": {"yes"}})
	began := time.Now()
	if code := closed(t, ws); code != websocket.StatusPolicyViolation {
		t.Errorf("WebSocket ended with %d, want 1008", code)
	}
	select {
	case err = <-sse:
		if err != nil {
			t.Errorf("event stream: %v", err)
		}
	case <-time.After(patience):
		t.Error("the event stream goes on")
	}
	t.Logf("cut %s after the provider's page was there (%d)", time.Since(began), end.Status)
	echoes(t, spared)
	if got := copied.get("/app/1", "Accept", "application/json"); got.Status != http.StatusUnauthorized {
		t.Errorf("the session's cookie after logout: %d, want 401", got.Status)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		at := slices.IndexFunc(s.events(t)["app"], func(e *event.RequestEvent) bool {
			return e.Reason == login.CodeEnded && e.Subject == s.names.Subject(s.op.Issuer(), "alice") && e.Session != "" && e.Decision == event.DecisionDeny
		})
		if at >= 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no event says whose cookie was refused")
		}
	}
	other.get("/app/1").told(t)
	out := s.awaitHappening(t, event.ReasonLogout, 1)
	if len(out) != 1 || out[0].Subject != s.names.Subject(s.op.Issuer(), "alice") {
		t.Errorf("session events %v, want one logout of alice", out)
	}
}

// The provider is away, then back with other keys.
func TestProviderAwayAndBackWithNewKeys(t *testing.T) {
	s := newSignInRig(t, func(s *signInRig) { s.opts.AccessTokenFor = 4 * time.Second })
	s.start(t, true)
	b, later := s.browser(t), s.browser(t)
	b.signIn("/app/1", "alice", password).told(t)
	_ = s.op.Close()
	for until := time.Now().Add(4 * time.Second); time.Now().Before(until); time.Sleep(500 * time.Millisecond) {
		b.get("/app/1").told(t) // Also when its renewal is due.
	}
	if got := later.get("/app/1"); got.Status == http.StatusOK {
		t.Errorf("a stranger is shown %s while the provider is away", got.Text)
	}
	s.opts.Keys = keys(t)
	s.startProvider(t)
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		got := later.get("/app/1")
		if strings.Contains(got.Text, "Test provider") {
			got = later.submit(got, url.Values{"login": {"carol"}, "act": {password}})
		}
		if got.Status == http.StatusOK {
			got.told(t)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody can sign in with the provider's new keys: %d %s", got.Status, got.Text)
		}
	}
	// A provider that has forgotten the session ends it.
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		got := b.get("/app/1", "Accept", "application/json")
		if got.Status == http.StatusUnauthorized {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a session goes on that its provider does not renew: %d", got.Status)
		}
	}
}

// social adds a provider without ID tokens.
func social(t *testing.T, s *signInRig) string {
	t.Helper()
	op, err := certified.Start(t.Context(), s.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = op.Close() })
	p := s.config.Login.Providers[0]
	s.config.Login.Providers = append(s.config.Login.Providers, login.Provider{
		ID: "social", Name: "Social account", Type: login.TypeOAuth2, ClientID: "vigil-social", ClientSecretFile: p.ClientSecretFile,
		Scopes: []string{"openid", "profile", "offline_access"}, SubjectClaim: "sub", ScopeClaim: "groups", ClientAuth: login.ClientAuthBasic,
		Issuer: op.Issuer(), AuthURL: op.Issuer() + "/auth", TokenURL: op.Issuer() + "/token", UserinfoURL: op.Issuer() + "/me",
	})
	return op.Issuer()
}

// Several providers, one of them with userinfo only.
func TestChoiceOfProviders(t *testing.T) {
	var issuer string
	s := newSignInRig(t, func(s *signInRig) {
		issuer = social(t, s)
		s.config.Routes = append(s.config.Routes, route.Spec{ID: "staff", Path: "/staff", Upstream: s.config.Routes[0].Upstream, Scopes: []string{"staff"}})
	})
	s.start(t, true)
	subjects := make(map[string]string)
	for _, name := range []string{"Work account", "Social account"} {
		b := s.browser(t)
		choice := b.get("/app/1?z=" + url.QueryEscape("ä&b"))
		link := regexp.MustCompile(`<a href="([^"]+)">` + name + `</a>`).FindStringSubmatch(choice.Text)
		if choice.Status != http.StatusOK || link == nil {
			t.Fatalf("no choice of %s: %d %s", name, choice.Status, choice.Text)
		}
		if csp := choice.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
			t.Errorf("choice page has the policy %q", csp)
		}
		page := b.signIn(html.UnescapeString(link[1]), "alice", password).told(t)
		if page["path"] != "/app/1?z=%C3%A4%26b" {
			t.Errorf("%s comes back to %q", name, page["path"])
		}
		subjects[name] = page["subject"]
		staff := b.get("/staff", "Accept", "application/json")
		if (name == "Social account") != (staff.Status == http.StatusOK) {
			t.Errorf("%s: a page for staff: %d", name, staff.Status)
		}
		if name == "Social account" {
			if got := b.get("/strong"); got.Status != http.StatusUnauthorized {
				t.Errorf("a provider that cannot give the context is asked for it: %d %s", got.Status, got.URL)
			}
		}
	}
	if subjects["Work account"] == subjects["Social account"] {
		t.Error("the same name at two providers is the same person")
	}
	if want := s.names.Subject(issuer, "alice"); subjects["Social account"] != want {
		t.Errorf("subject %s, want %s", subjects["Social account"], want)
	}
}

// Answers that must not count.
func TestCallbackAttacks(t *testing.T) {
	s := newSignInRig(t, func(s *signInRig) { social(t, s) })
	s.start(t, true)
	// begin goes as far as the provider's answer, which it returns unsent.
	begin := func(t *testing.T, act string) (b *browser, answer string) {
		t.Helper()
		b = s.browser(t)
		ask := b.get("/.vigil/login?provider=work&return_to=/app/1")
		b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), s.home) {
				answer = r.URL.String()
				return http.ErrUseLastResponse
			}
			return nil
		}
		b.submit(ask, url.Values{"login": {"alice"}, "act": {act}})
		b.client.CheckRedirect = nil
		if answer == "" {
			t.Fatal("the provider does not answer")
		}
		return b, answer
	}
	with := func(address, name, value string) string {
		u, _ := url.Parse(address)
		q := u.Query()
		q.Set(name, value)
		if value == "" {
			q.Del(name)
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	refused := func(t *testing.T, got shown, status int, code string) {
		t.Helper()
		if got.Status != status || !strings.Contains(got.Text, code) {
			t.Errorf("shows %d %s, want %d %s", got.Status, got.Text, status, code)
		}
		if quoted := event.SupportCode(got.Header.Get("X-Request-Id")); !strings.Contains(got.Text, quoted) {
			t.Errorf("shows %s, without the support code %s", got.Text, quoted)
		}
		for _, c := range got.Header.Values("Set-Cookie") {
			if strings.HasPrefix(c, "__Host-vigil=") {
				t.Errorf("and sets a session: %s", c)
			}
		}
	}
	t.Run("denied consent", func(t *testing.T) {
		b, answer := begin(t, "cancel")
		refused(t, b.get(answer), http.StatusForbidden, "login_denied")
	})
	t.Run("state of another browser", func(t *testing.T) {
		_, answer := begin(t, password)
		refused(t, s.browser(t).get(answer), http.StatusBadRequest, "login_state")
	})
	t.Run("no state", func(t *testing.T) {
		b, answer := begin(t, password)
		refused(t, b.get(with(answer, "state", "")), http.StatusBadRequest, "login_state")
	})
	t.Run("mixed-up issuer", func(t *testing.T) {
		b, answer := begin(t, password)
		refused(t, b.get(with(answer, "iss", "https://evil.test")), http.StatusBadRequest, "login_wrong_issuer")
	})
	t.Run("issuer left out by a provider that names itself", func(t *testing.T) {
		b, answer := begin(t, password)
		refused(t, b.get(with(answer, "iss", "")), http.StatusBadRequest, "login_wrong_issuer")
	})
	t.Run("answer sent to another provider's address", func(t *testing.T) {
		b, answer := begin(t, password)
		refused(t, b.get(strings.Replace(answer, "/callback/work", "/callback/social", 1)), http.StatusBadRequest, "login_wrong_issuer")
	})
	t.Run("another code", func(t *testing.T) {
		b, answer := begin(t, password)
		_, stolen := begin(t, password) // Of another sign-in: its PKCE challenge does not match.
		u, _ := url.Parse(stolen)
		refused(t, b.get(with(answer, "code", u.Query().Get("code"))), http.StatusBadGateway, "login_code")
	})
	t.Run("state twice", func(t *testing.T) {
		b, answer := begin(t, password)
		refused(t, b.get(answer+"&state=x"), http.StatusBadRequest, "login_state")
	})
	t.Run("replayed callback", func(t *testing.T) {
		b, answer := begin(t, password)
		saved := b.copyOf() // Keeps the cookie that the first answer takes away.
		b.get(answer).told(t)
		refused(t, b.get(answer), http.StatusBadRequest, "login_state")
		refused(t, saved.get(answer), http.StatusBadRequest, "login_replayed")
	})
	t.Run("posted callback", func(t *testing.T) {
		b, answer := begin(t, password)
		refused(t, b.do(http.MethodPost, answer, url.Values{}, true), http.StatusMethodNotAllowed, "method_not_allowed")
	})
	t.Run("open redirect", func(t *testing.T) {
		for _, evil := range []string{"https://evil.test/", "//evil.test", `/\evil.test`, "/%5cevil.test", "javascript:alert(1)", "/.vigil/logout", "\t//evil.test"} {
			b := s.browser(t)
			got := b.signIn("/.vigil/login?provider=work&return_to="+url.QueryEscape(evil), "alice", password)
			if got.URL.Path != "/" || got.URL.Host != strings.TrimPrefix(s.home, "https://") {
				t.Errorf("return_to %q leads to %s", evil, got.URL)
			}
		}
	})
	t.Run("login fixation: a session that was there before is not gone on with", func(t *testing.T) {
		b := s.browser(t)
		first := b.signIn("/.vigil/login?provider=work&return_to=/app/1", "mallory", password).told(t)
		planted := b.copyOf()
		fresh := s.browser(t)
		u, _ := url.Parse(s.home)
		var all []*http.Cookie
		for _, k := range b.cookies() {
			all = append(all, &http.Cookie{Name: k.Name, Value: k.Value, Path: "/", Secure: true})
		}
		fresh.client.Jar.SetCookies(u, all) // The victim's browser with the attacker's session planted.
		second := fresh.signIn("/.vigil/login?provider=work&return_to=/app/1", "alice", password).told(t)
		if second["session"] == first["session"] || second["subject"] == first["subject"] {
			t.Errorf("alice has signed in to the session of mallory: %v", second)
		}
		if got := planted.get("/app/1", "Accept", "application/json"); got.Status != http.StatusUnauthorized {
			t.Errorf("the session that was replaced goes on: %d", got.Status)
		}
	})
}

// Requests that other sites make a browser send.
func TestCrossSiteRequests(t *testing.T) {
	s := newSignInRig(t)
	s.start(t, true)
	b := s.browser(t)
	b.signIn("/app/1", "alice", password).told(t)
	for name, header := range map[string][]string{
		"from a neighbour's page":            {"Sec-Fetch-Site", "same-site", "Origin", "https://evil.localhost"},
		"from another site":                  {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test"},
		"from an old browser, another site":  {"Origin", "https://evil.test"},
		"from a frame without an origin":     {"Origin", "null"},
		"with nothing that says who sent it": {},
	} {
		t.Run("logout "+name, func(t *testing.T) {
			got := b.do(http.MethodPost, "/.vigil/logout", url.Values{}, true, header...)
			if got.Status != http.StatusForbidden {
				t.Errorf("POST logout: %d, want 403", got.Status)
			}
		})
		if len(header) > 0 {
			t.Run("change "+name, func(t *testing.T) {
				got := b.do(http.MethodPost, "/write", url.Values{}, true, header...)
				if got.Status != http.StatusUnauthorized {
					t.Errorf("POST with a session cookie: %d, want 401", got.Status)
				}
			})
		}
	}
	t.Run("a GET signs nobody out", func(t *testing.T) {
		b.get("/.vigil/logout")
		b.get("/app/1").told(t)
	})
	t.Run("a form token of another session", func(t *testing.T) {
		other := s.browser(t)
		other.signIn("/app/1", "mallory", password)
		ask := other.get("/.vigil/logout")
		token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(ask.Text)[1]
		got := b.do(http.MethodPost, "/.vigil/logout", url.Values{"token": {token}}, true)
		if got.Status != http.StatusForbidden {
			t.Errorf("POST logout with mallory's token: %d, want 403", got.Status)
		}
	})
	t.Run("a WebSocket of another site", func(t *testing.T) {
		//nolint:bodyclose // The library closes it.
		_, res, err := websocket.Dial(t.Context(), strings.Replace(s.home, "https", "wss", 1)+"/ws", &websocket.DialOptions{
			HTTPClient: b.client, HTTPHeader: http.Header{"Origin": {"https://evil.test"}},
		})
		if err == nil || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("cross-site WebSocket: %v, want 401", err)
		}
	})
	t.Run("cookie and token on one request", func(t *testing.T) {
		got := b.get("/app/1", "Authorization", "Bearer "+s.token("bob"))
		if got.Status != http.StatusUnauthorized || !strings.Contains(got.Text, "multiple_credentials") {
			t.Errorf("two credentials: %d %s", got.Status, got.Text)
		}
	})
	t.Run("another host name", func(t *testing.T) {
		got := b.do(http.MethodGet, strings.Replace(s.home, "localhost", "127.0.0.1", 1)+"/.vigil/login", nil, true)
		if got.Status != http.StatusNotFound {
			t.Errorf("sign-in page under another name: %d, want 404", got.Status)
		}
	})
}

// A session outlives the rotation of the key ring, and not the loss of its key.
func TestRingRotation(t *testing.T) {
	s := newSignInRig(t)
	s.start(t, true)
	b := s.browser(t)
	page := b.signIn("/app/1", "alice", password).told(t)
	before := b.cookies()
	s.newRing(t, 1)
	restart := func() {
		err := s.stop()
		if err != nil {
			t.Fatal(err)
		}
		s.start(t, true)
	}
	restart() // The cookie alone is enough: the gateway remembers nothing.
	if told := b.get("/app/1").told(t); told["session"] != page["session"] {
		t.Errorf("after a rotation and a restart the session is %s, want %s", told["session"], page["session"])
	}
	if len(before) == 0 {
		t.Fatal("no cookies")
	}
	err := os.Remove(s.ring)
	if err != nil {
		t.Fatal(err)
	}
	s.newRing(t, 1)
	restart()
	if got := b.get("/app/1", "Accept", "application/json"); got.Status != http.StatusUnauthorized {
		t.Errorf("a cookie under a key that is gone: %d, want 401", got.Status)
	}
}
