//go:build e2e

package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
	"golang.org/x/oauth2"

	"github.com/vigil-gateway/vigil/deploy/devstack/keycloak"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/schemas/event"
)

const realm = "shop"

// realmOf has one person and three clients: the gateway that signs her in, an app of
// hers, and the gateway as the audience of the app's tokens, which asks about them.
func realmOf(home string) map[string]any {
	secret := "a-secret-for-tests"
	return map[string]any{
		"realm": realm, "enabled": true, "accessTokenLifespan": 300,
		"users": []any{map[string]any{
			"username": "alice", "enabled": true, "email": "alice@corp.test", "emailVerified": true, "firstName": "Alice", "lastName": "Liddell",
			"credentials": []any{map[string]any{"type": "password", "value": "wonderland"}},
		}},
		"clients": []any{
			map[string]any{
				"clientId": "vigil", "secret": secret, "redirectUris": []string{home + "/.vigil/callback/keycloak"},
				"attributes": map[string]string{
					"backchannel.logout.url": home + "/.vigil/backchannel-logout", "backchannel.logout.session.required": "true",
					"post.logout.redirect.uris": home + "/.vigil/signed-out",
				},
			},
			map[string]any{"clientId": "api", "secret": secret, "standardFlowEnabled": false},
			map[string]any{
				"clientId": "phone", "publicClient": true, "redirectUris": []string{appAddress},
				"attributes": map[string]string{"pkce.code.challenge.method": "S256"},
				"protocolMappers": []any{map[string]any{
					"name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
					"config": map[string]string{"included.client.audience": "api", "access.token.claim": "true"},
				}},
			},
		},
	}
}

// looseJar keeps Secure cookies of Keycloak for plain http on loopback, as browsers do.
type looseJar struct{ http.CookieJar }

func (j looseJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	for _, c := range cookies {
		c.Secure = c.Secure && u.Scheme == "https"
	}
	j.CookieJar.SetCookies(u, cookies)
}

// Keycloak signs people in, binds tokens, is asked about them, and its word ends what
// is open: a session's WebSocket and the stream of an app in the same sign-in.
func TestKeycloak(t *testing.T) {
	s := newSignInRig(t)
	began := time.Now()
	kc, err := keycloak.Start(t.Context(), keycloak.Options{Home: "../.cache/keycloak-26.7.3", CAFile: s.caFile, Log: testLog{t}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kc.Close() })
	err = kc.AddRealm(t.Context(), realmOf(s.home))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Keycloak serves after %s", time.Since(began))
	issuer := kc.Issuer(realm)
	signed := identity.Issuer{Issuer: issuer, Audiences: []string{"api"}}
	asked := signed
	asked.Introspection = identity.Introspection{
		URL: issuer + "/protocol/openid-connect/token/introspect", ClientID: "api", SecretFile: s.config.Login.Providers[0].ClientSecretFile,
		PositiveTTL: time.Second,
	}
	s.config.Login.Providers = []login.Provider{{
		ID: "keycloak", Name: "Keycloak", Issuer: issuer, ClientID: "vigil", ClientSecretFile: s.config.Login.Providers[0].ClientSecretFile,
		Scopes: []string{"openid", "email"},
	}}
	for name, is := range map[string]identity.Issuer{"tokens verified by keys": signed, "tokens asked about": asked} {
		t.Run(name, func(t *testing.T) {
			s.config.Identity.Issuers = []identity.Issuer{is}
			s.start(t, true)
			defer func() { _ = s.stop() }()
			s.liveThrough(t, issuer)
		})
	}
}

// liveThrough is one sign-in of alice, in her browser and her app, from its beginning
// to its end.
func (s *signInRig) liveThrough(t *testing.T, issuer string) {
	t.Helper()
	app := &phone{browser: s.browser(t), id: "phone", key: newSigner()}
	app.client.Jar = looseJar{app.client.Jar}

	told := app.submit(app.get("/app/1"), url.Values{"username": {"alice"}, "password": {"wonderland"}}).told(t)
	ws, _, err := app.socket()
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, ws)

	// The app is let in by the same sign-in, with a token that is bound to its key.
	token := app.keycloakToken(issuer)
	if token.Type != "DPoP" {
		t.Fatalf("Keycloak gives a token of type %s", token.Type)
	}
	mine := app.call("/app/2", "DPoP", token.Access, &app.key)
	if got := mine.told(t); got["subject"] != told["subject"] {
		t.Errorf("the app acts for %s, the browser for %s", got["subject"], told["subject"])
	}
	thief := newSigner()
	for name, got := range map[string]shown{
		identity.CodeBound:    app.call("/app/2", "Bearer", token.Access, nil),
		identity.CodeProofKey: app.call("/app/2", "DPoP", token.Access, &thief),
	} {
		if got.Status != http.StatusUnauthorized || !strings.Contains(got.Text, name) {
			t.Errorf("the thief is shown %d %s, want 401 %s", got.Status, got.Text, name)
		}
	}
	stream := app.stream(token.Access)

	// She signs out at Keycloak, in a tab of another application.
	ask := app.get(issuer + "/protocol/openid-connect/logout")
	out := app.submit(ask, url.Values{"confirmLogout": {"Logout"}})
	if code := closed(t, ws); code != websocket.StatusPolicyViolation {
		t.Errorf("the WebSocket ended with %d, want 1008; Keycloak shows %d", code, out.Status)
	}
	select {
	case text := <-stream:
		if !strings.Contains(text, "session_revoked") {
			t.Errorf("the app's stream ends without a word: %q", text)
		}
	case <-time.After(patience):
		t.Error("the app's stream goes on")
	}
	if got := app.call("/app/2", "DPoP", token.Access, &app.key); got.Status != http.StatusUnauthorized {
		t.Errorf("the app after the sign-out: %d %s, want 401", got.Status, got.Text)
	}
	if got := app.get("/app/1", "Accept", "application/json"); got.Status != http.StatusUnauthorized {
		t.Errorf("the browser after the sign-out: %d, want 401", got.Status)
	}
	s.awaitHappening(t, event.ReasonLogout, 1)
}

// keycloakToken gets a bound token for a person who is signed in already.
func (a *phone) keycloakToken(issuer string) tokens {
	a.t.Helper()
	verifier := oauth2.GenerateVerifier()
	answer := a.do(http.MethodGet, issuer+"/protocol/openid-connect/auth?"+url.Values{
		"client_id": {a.id}, "response_type": {"code"}, "redirect_uri": {appAddress}, "scope": {"openid"}, "state": {"s"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}.Encode(), nil, true)
	back, err := url.Parse(answer.Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" {
		a.t.Fatalf("Keycloak does not send the app back, but shows %d %s", answer.Status, answer.Text)
	}
	address := issuer + "/protocol/openid-connect/token"
	proof := a.key.sign(map[string]any{"typ": "dpop+jwt", "jwk": a.key.public}, map[string]any{
		"jti": uuid.NewString(), "htm": http.MethodPost, "htu": address, "iat": time.Now().Unix(),
	})
	got := a.do(http.MethodPost, address, url.Values{
		"client_id": {a.id}, "grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {appAddress},
		"code_verifier": {verifier},
	}, true, "DPoP", proof)
	var out tokens
	err = json.Unmarshal([]byte(got.Text), &out)
	if err != nil || out.Access == "" {
		a.t.Fatalf("Keycloak gives the app no token: %d %s", got.Status, got.Text)
	}
	return out
}

// stream opens an event stream with a bound token, and sends what it was once it ends.
func (a *phone) stream(token string) <-chan string {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.rig.home+"/events", http.NoBody)
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", a.key.proof(r, token, ""))
	client := &http.Client{Transport: a.client.Transport}
	res, err := client.Do(r)
	if err != nil || res.StatusCode != http.StatusOK {
		a.t.Fatalf("open a stream: %v, %v", res, err)
	}
	a.t.Cleanup(func() { _ = res.Body.Close() })
	all := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(res.Body) // How it ends is what is looked at.
		all <- string(text)
	}()
	return all
}
