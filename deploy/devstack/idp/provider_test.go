package idp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"
	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
)

// TestMain fails if a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func start(t *testing.T, o idp.Options) *idp.Provider {
	t.Helper()
	o.Now = func() time.Time { return now }
	p, err := idp.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		err := p.Close()
		if err != nil {
			t.Error(err)
		}
	})
	return p
}

// get returns the body of a URL that answers 200.
func get(t *testing.T, address string) []byte {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: status %d, error %v", address, resp.StatusCode, err)
	}
	return b
}

// verify checks a token against the keys that the provider publishes now.
func verify(t *testing.T, p *idp.Provider, token string) (jwt.Token, error) {
	t.Helper()
	keys, err := jwk.Parse(get(t, p.JWKSURL()))
	if err != nil {
		t.Fatal(err)
	}
	return jwt.Parse([]byte(token), jwt.WithKeySet(keys), jwt.WithClock(jwt.ClockFunc(func() time.Time { return now })))
}

// TestMintedTokenVerifiesWithPublishedKeys checks that a token says what was asked and verifies.
func TestMintedTokenVerifiesWithPublishedKeys(t *testing.T) {
	p := start(t, idp.Options{Audience: "shop"})
	for _, alg := range []string{idp.RS256, idp.ES256} {
		t.Run(alg, func(t *testing.T) {
			token := p.Mint(idp.Claims{
				Subject: "ana", SessionID: "s1", TokenID: "t1", ClientID: "web", Scope: "read write",
				ACR: "silver", AMR: []string{"pwd"}, AuthTime: now.Add(-time.Minute), Algorithm: alg,
			})
			got, err := verify(t, p, token)
			if err != nil {
				t.Fatal(err)
			}
			claims, err := got.AsMap(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]any{
				"iss": p.Issuer(), "sub": "ana", "aud": []string{"shop"}, "sid": "s1", "jti": "t1",
				"client_id": "web", "scope": "read write", "acr": "silver", "amr": []any{"pwd"},
				"auth_time": float64(now.Add(-time.Minute).Unix()), "iat": now, "exp": now.Add(10 * time.Minute),
			}
			if diff := cmp.Diff(want, claims); diff != "" {
				t.Errorf("claims differ (-want +got):\n%s", diff)
			}
			msg, err := jws.Parse([]byte(token))
			if err != nil {
				t.Fatal(err)
			}
			h := msg.Signatures()[0].ProtectedHeaders()
			if h.Type() != "at+jwt" || h.Algorithm().String() != alg {
				t.Errorf("header has typ %q, alg %q", h.Type(), h.Algorithm())
			}
		})
	}
}

// TestRotation checks that a rotation keeps tokens in use and that Forget does not.
func TestRotation(t *testing.T) {
	p := start(t, idp.Options{})
	old := p.Mint(idp.Claims{Subject: "ana"})
	err := p.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"before": old, "after": p.Mint(idp.Claims{Subject: "ana"})} {
		_, err := verify(t, p, token)
		if err != nil {
			t.Errorf("token of %s the rotation: %v", name, err)
		}
	}
	err = p.Forget()
	if err != nil {
		t.Fatal(err)
	}
	_, err = verify(t, p, old)
	if err == nil {
		t.Error("token of a forgotten key still verifies")
	}
}

// TestKeysSurviveRestart checks that a directory keeps the keys.
func TestKeysSurviveRestart(t *testing.T) {
	dir := t.TempDir()
	token := start(t, idp.Options{Dir: dir}).Mint(idp.Claims{Subject: "ana"})
	_, err := verify(t, start(t, idp.Options{Dir: dir}), token)
	if err != nil {
		t.Errorf("token of the first run: %v", err)
	}
}

// TestClientCredentials walks from discovery to a token and to each refusal.
func TestClientCredentials(t *testing.T) {
	p := start(t, idp.Options{Clients: map[string]string{"robot": "pass word"}, Audience: "shop"})
	var discovered struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
		Token  string `json:"token_endpoint"`
	}
	err := json.Unmarshal(get(t, p.Issuer()+"/.well-known/openid-configuration"), &discovered)
	if err != nil {
		t.Fatal(err)
	}
	if discovered.Issuer != p.Issuer() || discovered.JWKS != p.JWKSURL() {
		t.Fatalf("discovery names %+v", discovered)
	}
	tests := map[string]struct {
		secret, grant string
		want          int
		wantError     string
	}{
		"right secret":     {secret: "pass word", grant: "client_credentials", want: http.StatusOK},
		"wrong secret":     {secret: "guess", grant: "client_credentials", want: http.StatusUnauthorized, wantError: "invalid_client"},
		"unknown grant":    {secret: "pass word", grant: "password", want: http.StatusBadRequest, wantError: "unsupported_grant_type"},
		"body over limits": {secret: strings.Repeat("x", idp.BodyBytesMax), grant: "client_credentials", want: http.StatusBadRequest, wantError: "invalid_request"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			form := url.Values{"grant_type": {tt.grant}, "client_id": {"robot"}, "client_secret": {tt.secret}, "scope": {"read"}}
			resp, err := http.PostForm(discovered.Token, form)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			var body struct {
				Token string `json:"access_token"`
				Error string `json:"error"`
			}
			err = json.NewDecoder(resp.Body).Decode(&body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.want || body.Error != tt.wantError {
				t.Fatalf("status %d, error %q, want %d, %q", resp.StatusCode, body.Error, tt.want, tt.wantError)
			}
			if tt.want != http.StatusOK {
				return
			}
			got, err := verify(t, p, body.Token)
			if err != nil {
				t.Fatal(err)
			}
			if got.Subject() != "robot" {
				t.Errorf("token names %q", got.Subject())
			}
		})
	}
}
