package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lestrrat-go/jwx/v2/jws"
	"golang.org/x/oauth2"

	"github.com/vigil-gateway/vigil/deploy/devstack/certified"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// What the certified provider is used for, and which test shows that it works:
//
//	code with PKCE                      TestSignInAndOut
//	refresh under an open stream        TestARefreshLeavesAStreamOpen
//	DPoP, and the thief of a token      TestABoundTokenOfTheProviderRefusesItsThief
//	step-up by acr in mid-session       TestStepUpByAContextGoesOnWithTheSession
//	back-channel logout cuts streams    TestBackchannelLogoutCutsOpenStreams
//	opaque tokens with introspection    TestOpaqueTokensAreAskedAbout
//	key rotation                        TestTheProvidersKeysRotate, TestProviderAwayAndBackWithNewKeys
//	provider away                       TestWhileTheProviderIsAwayItsKeysServe
//	pushed requests (PAR)               TestSignInsArePushed
//	RP-initiated logout                 TestSignInAndOut
//	an answer by another issuer         TestCallbackAttacks
//	reuse of a refresh token            TestAStolenRefreshTokenEndsTheSession

// appAddress is where the provider sends an app's browser back to. Nobody is there:
// the app reads the code off the address.
const appAddress = "https://app.test/cb"

// phone is a public client of the certified provider, an app on a phone: it brings access
// tokens to the gateway by itself.
type phone struct {
	*browser

	id  string
	key signer // What its tokens are bound to, where it asks for that.
}

// tokens are what the provider has given an app.
type tokens struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
}

// newAppRig is a rig whose gateway also believes access tokens of the certified
// provider: signed ones, or with asked those that it answers for.
func newAppRig(t *testing.T, asked bool, change ...func(*signInRig)) *signInRig {
	t.Helper()
	s := newSignInRig(t, append(change, func(s *signInRig) {
		public := certified.Client{
			ID: "app", AuthMethod: "none", RedirectURIs: []string{appAddress}, GrantTypes: []string{"authorization_code", "refresh_token"},
			IDTokenAlgorithm: "ES256",
		}
		bound := public
		bound.ID, bound.DPoPOnly = "bound-app", true
		s.opts.Clients = append(s.opts.Clients, public, bound)
	})...)
	is := identity.Issuer{Issuer: s.op.Issuer(), Audiences: []string{certified.Audience}, Algorithms: []string{"ES256"}}
	if asked {
		is.Introspection = identity.Introspection{
			URL: s.op.Issuer() + "/token/introspection", ClientID: "vigil-work", SecretFile: s.config.Login.Providers[0].ClientSecretFile,
			PositiveTTL: time.Second,
		}
	}
	s.config.Identity.Issuers = append(s.config.Identity.Issuers, is)
	s.config.Identity.KeysMinInterval, s.config.Identity.KeysRefresh = time.Second, time.Second
	return s
}

func (s *signInRig) phone(t *testing.T, id string) *phone {
	t.Helper()
	return &phone{browser: s.browser(t), id: id, key: newSigner()}
}

// signIn gets tokens for a resource: code and PKCE, with DPoP where the app has to.
func (a *phone) signIn(user, resource string) tokens {
	a.t.Helper()
	verifier := oauth2.GenerateVerifier()
	ask := a.get(a.rig.op.Issuer() + "/auth?" + url.Values{
		"client_id": {a.id}, "response_type": {"code"}, "redirect_uri": {appAddress}, "scope": {"openid offline_access read"},
		"prompt": {"consent"}, "state": {"s"}, "resource": {resource},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}.Encode())
	var answer *url.URL
	a.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), appAddress) {
			answer = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	got := a.submit(ask, url.Values{"login": {user}, "act": {password}})
	a.client.CheckRedirect = nil
	if answer == nil || answer.Query().Get("code") == "" {
		a.t.Fatalf("the provider does not send the app back, but shows %d %s", got.Status, got.Text)
	}
	out := a.token(url.Values{
		"grant_type": {"authorization_code"}, "code": {answer.Query().Get("code")}, "redirect_uri": {appAddress}, "code_verifier": {verifier},
		"resource": {resource},
	})
	if out.Access == "" {
		a.t.Fatalf("the provider gives the app no token: %s", out.Error)
	}
	return out
}

// token asks the token endpoint, again with a nonce where the provider wants one.
func (a *phone) token(form url.Values) tokens {
	a.t.Helper()
	form.Set("client_id", a.id)
	address := a.rig.op.Issuer() + "/token"
	nonce := ""
	for {
		claims := map[string]any{"jti": uuid.NewString(), "htm": http.MethodPost, "htu": address, "iat": time.Now().Unix()}
		if nonce != "" {
			claims["nonce"] = nonce
		}
		header := []string{"Accept", "application/json"}
		if a.id == "bound-app" {
			header = append(header, "DPoP", a.key.sign(map[string]any{"typ": "dpop+jwt", "jwk": a.key.public}, claims))
		}
		got := a.do(http.MethodPost, address, form, true, header...)
		var out tokens
		err := json.Unmarshal([]byte(got.Text), &out)
		if err != nil {
			a.t.Fatalf("the token endpoint answers %d %s", got.Status, got.Text)
		}
		if out.Error != "use_dpop_nonce" || nonce != "" {
			return out
		}
		nonce = got.Header.Get("DPoP-Nonce")
	}
}

// call sends a request with an access token, a proof by key where one is given, and no
// cookies: they are the browser's.
func (a *phone) call(path, scheme, token string, key *signer) shown {
	a.t.Helper()
	header := []string{"Authorization", scheme + " " + token, "Accept", "application/json"}
	if key != nil {
		r := must(http.NewRequest(http.MethodGet, a.rig.home+path, http.NoBody))
		header = append(header, "DPoP", key.proof(r, token, ""))
	}
	return (&browser{a.t, a.rig, &http.Client{Transport: a.client.Transport}}).get(path, header...)
}

// A bound token of the provider serves its owner, and refuses a thief at his
// first request, whatever he brings with it.
func TestABoundTokenOfTheProviderRefusesItsThief(t *testing.T) {
	s := newAppRig(t, false, func(s *signInRig) { s.opts.DPoPNonce = true })
	s.start(t, true)
	a, thief := s.phone(t, "bound-app"), newSigner()
	token := a.signIn("alice", certified.Signed)
	if token.Type != "DPoP" {
		t.Fatalf("the provider gives a token of type %s", token.Type)
	}
	proofOfOther := a.call("/pages/1", "DPoP", token.Access, &a.key)
	if told := proofOfOther.told(t); told["subject"] != s.names.Subject(s.op.Issuer(), "alice") {
		t.Errorf("the upstream is told of %s", told["subject"])
	}
	for name, theft := range map[string]struct {
		scheme string
		key    *signer
		code   string
	}{
		"as a bearer token":            {"Bearer", nil, identity.CodeBound},
		"without a proof":              {"DPoP", nil, identity.CodeProofMissing},
		"with a proof by his own key":  {"DPoP", &thief, identity.CodeProofKey},
		"as a bearer, with such proof": {"Bearer", &thief, identity.CodeBound},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.phone(t, "bound-app").call("/pages/1", theft.scheme, token.Access, theft.key)
			if got.Status != http.StatusUnauthorized || !strings.Contains(got.Text, theft.code) {
				t.Errorf("the thief is shown %d %s, want 401 %s", got.Status, got.Text, theft.code)
			}
		})
	}
	if got := a.call("/pages/1", "DPoP", token.Access, &a.key); got.Status != http.StatusOK {
		t.Errorf("the owner afterwards: %d %s", got.Status, got.Text)
	}
	refreshed := a.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.Refresh}, "resource": {certified.Signed}})
	if got := a.call("/pages/1", "DPoP", refreshed.Access, &a.key); got.Status != http.StatusOK {
		t.Errorf("the owner with his next token: %d %s", got.Status, got.Text)
	}
}

// About an opaque token the provider is asked, and what it has withdrawn is
// refused once its last answer is too old, as everything is while it cannot be asked.
func TestOpaqueTokensAreAskedAbout(t *testing.T) {
	s := newAppRig(t, true)
	s.start(t, true)
	a := s.phone(t, "app")
	token := a.signIn("alice", certified.Opaque)
	if strings.Contains(token.Access, ".") {
		t.Fatalf("token %q is not opaque", token.Access)
	}
	told := a.call("/pages/1", "Bearer", token.Access, nil).told(t)
	if want := s.names.Subject(s.op.Issuer(), "alice"); told["subject"] != want {
		t.Errorf("the upstream is told of %s, want %s", told["subject"], want)
	}
	if got := a.call("/pages/1", "Bearer", "x"+token.Access, nil); got.Status != http.StatusUnauthorized {
		t.Errorf("a token that nobody has given: %d, want 401", got.Status)
	}
	bound := s.phone(t, "bound-app")
	boundToken := bound.signIn("bob", certified.Opaque)
	if got := bound.call("/pages/1", "DPoP", boundToken.Access, &bound.key); got.Status != http.StatusOK {
		t.Errorf("a bound opaque token with its proof: %d %s", got.Status, got.Text)
	}
	if got := bound.call("/pages/1", "Bearer", boundToken.Access, nil); got.Status != http.StatusUnauthorized || !strings.Contains(got.Text, identity.CodeBound) {
		t.Errorf("a bound opaque token without: %d %s", got.Status, got.Text)
	}
	withdrawn := a.do(http.MethodPost, s.op.Issuer()+"/token/revocation", url.Values{"client_id": {"app"}, "token": {token.Access}}, true)
	if withdrawn.Status != http.StatusOK {
		t.Fatalf("the provider does not take the token back: %d %s", withdrawn.Status, withdrawn.Text)
	}
	eventually(t, "a withdrawn token is refused", func() bool {
		got := a.call("/pages/1", "Bearer", token.Access, nil)
		return got.Status == http.StatusUnauthorized && strings.Contains(got.Text, identity.CodeInactive)
	})
	_ = s.op.Close()
	eventually(t, "without an answer a token is not let in", func() bool {
		return bound.call("/pages/1", "DPoP", boundToken.Access, &bound.key).Status == http.StatusServiceUnavailable
	})
}

// A token under a new key serves at once, and one under a key that the
// provider has withdrawn no more.
func TestTheProvidersKeysRotate(t *testing.T) {
	s := newAppRig(t, false)
	s.start(t, true)
	before, after := s.phone(t, "app"), s.phone(t, "app")
	old := before.signIn("alice", certified.Signed)
	before.call("/pages/1", "Bearer", old.Access, nil).told(t)
	first := s.opts.Keys
	next := keys(t)
	rotate := func(sets ...json.RawMessage) {
		_ = s.op.Close()
		s.opts.Keys = joined(t, sets...)
		s.startProvider(t)
	}
	rotate(next, first)
	token := after.signIn("bob", certified.Signed)
	if keyOf(t, token.Access) == keyOf(t, old.Access) {
		t.Fatal("the provider signs with the old key")
	}
	eventually(t, "a token under the new key serves", func() bool { // Sooner than a second after the last look at the keys is no time for another.
		return after.call("/pages/1", "Bearer", token.Access, nil).Status == http.StatusOK
	})
	before.call("/pages/1", "Bearer", old.Access, nil).told(t)
	rotate(next)
	eventually(t, "a token under the withdrawn key is refused", func() bool {
		return before.call("/pages/1", "Bearer", old.Access, nil).Status == http.StatusUnauthorized
	})
	after.call("/pages/1", "Bearer", token.Access, nil).told(t)
}

// While the provider is away its keys serve on, and who wants to sign in is
// told why he cannot.
func TestWhileTheProviderIsAwayItsKeysServe(t *testing.T) {
	s := newAppRig(t, false)
	s.start(t, true)
	a := s.phone(t, "app")
	token := a.signIn("alice", certified.Signed)
	a.call("/pages/1", "Bearer", token.Access, nil).told(t)
	_ = s.op.Close()
	for until := time.Now().Add(2 * time.Second); time.Now().Before(until); time.Sleep(300 * time.Millisecond) { // Longer than they are fresh.
		a.call("/pages/1", "Bearer", token.Access, nil).told(t)
	}
	got := s.browser(t).get("/app/1")
	if got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Text, "Provider not available") || !strings.Contains(got.Text, "login_provider_away") {
		t.Errorf("who wants to sign in is shown %d %s", got.Status, got.Text)
	}
}

// What the browser carries to the provider says nothing that could be changed
// on the way, and serves once.
func TestSignInsArePushed(t *testing.T) {
	s := newSignInRig(t, func(s *signInRig) { s.opts.Clients[0].PushedOnly = true })
	s.start(t, true)
	b := s.browser(t)
	sent := b.do(http.MethodGet, "/.vigil/login?return_to=/app/1", nil, true).Header.Get("Location")
	u, err := url.Parse(sent)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if len(q) != 2 || q.Get("client_id") != "vigil-work" || !strings.HasPrefix(q.Get("request_uri"), "urn:ietf:params:oauth:request_uri:") {
		t.Errorf("the browser is sent to %s, want a request_uri and the client's id alone", sent)
	}
	b.submit(b.get(sent), url.Values{"login": {"alice"}, "act": {password}}).told(t)
	if got := s.browser(t).get(sent); got.Status == http.StatusOK {
		t.Errorf("a request_uri serves twice: %s", got.Text)
	}
	if got := s.browser(t).get(s.op.Issuer() + "/auth?client_id=vigil-work&response_type=code&scope=openid"); got.Status == http.StatusOK {
		t.Errorf("the provider takes a sign-in that was not pushed: %s", got.Text)
	}
}

// A copied cookie brings a refresh token that has been used up. The provider
// sees that it was stolen and withdraws all that came of it: the thief gets in no
// more, and neither does the session go on.
func TestAStolenRefreshTokenEndsTheSession(t *testing.T) {
	s := newSignInRig(t, func(s *signInRig) { s.opts.AccessTokenFor = 4 * time.Second })
	s.start(t, true)
	b := s.browser(t)
	b.signIn("/app/1", "alice", password).told(t)
	thief := b.copyOf()
	eventually(t, "the session is renewed", func() bool {
		return slices.ContainsFunc(b.get("/app/1").Header.Values("Set-Cookie"), func(c string) bool { return strings.HasPrefix(c, "__Host-vigil=") })
	})
	err := s.stop() // A gateway that has just started knows the cookies only.
	if err != nil {
		t.Fatal(err)
	}
	s.start(t, true)
	eventually(t, "the thief is refused", func() bool {
		return thief.get("/app/1", "Accept", "application/json").Status == http.StatusUnauthorized
	})
	s.awaitHappening(t, event.ReasonLogout, 1)
	eventually(t, "the session ends", func() bool {
		return b.get("/app/1", "Accept", "application/json").Status == http.StatusUnauthorized
	})
}

// eventually waits until it is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// joined is a key set with the keys of several, the first of which signs.
func joined(t *testing.T, sets ...json.RawMessage) json.RawMessage {
	t.Helper()
	var all []json.RawMessage
	for _, set := range sets {
		var one struct{ Keys []json.RawMessage }
		err := json.Unmarshal(set, &one)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one.Keys...)
	}
	return must(json.Marshal(map[string]any{"keys": all}))
}

// keyOf is the name of the key that a token is signed with.
func keyOf(t *testing.T, token string) string {
	t.Helper()
	m, err := jws.Parse([]byte(token))
	if err != nil {
		t.Fatal(err)
	}
	return m.Signatures()[0].ProtectedHeaders().KeyID()
}
