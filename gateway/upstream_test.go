package gateway_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/vigil-gateway/vigil/gateway/assertion"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// An upstream checks with the gateway's published keys for whom a request is
// made, sees a verdict in it, and says how sensitive its response is; a client
// can put nothing in its place.
func TestUpstreamIsToldAndTells(t *testing.T) {
	g := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Vigil-Sensitivity", r.URL.Query().Get("label"))
		told := r.Header["X-Vigil-Assertion"]
		if r.URL.Path == "/open" {
			told = append(told, r.Header["Authorization"]...)
		}
		_, _ = io.WriteString(w, strings.Join(told, ","))
	})
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "assertion.pem")
	err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	g.config.Assertion.Issuer, g.config.Assertion.KeyFiles = "https://gateway.example", []string{file}
	g.start(t, true)

	res, text := do(t, g.request(t, "GET", assertion.KeysPath, "", nil))
	keys, err := jwk.ParseString(text)
	if err != nil || res.StatusCode != http.StatusOK || keys.Len() != 1 {
		t.Fatalf("GET %s: %d %s", assertion.KeysPath, res.StatusCode, text)
	}
	res, _ = do(t, g.request(t, "POST", assertion.KeysPath, "", nil))
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST %s: %d, want 405", assertion.KeysPath, res.StatusCode)
	}
	said := func(path string) map[string]any {
		t.Helper()
		r := g.request(t, "GET", path, g.token("ann"), nil)
		r.Header.Set("X-Vigil-Assertion", "forged")
		_, text := do(t, r)
		token, err := jwt.ParseString(text, jwt.WithKeySet(keys), jwt.WithIssuer("https://gateway.example"), jwt.WithAudience(g.config.Routes[1].Upstream))
		if err != nil {
			t.Fatalf("GET %s: %v: %s", path, err, text)
		}
		claims, err := token.AsMap(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return claims
	}
	first := said("/pages/7?label=critical")
	if first["sid"] != g.session("ann") || first["risk_level"] != "LOW" || first["client_id"] != "app" {
		t.Errorf("claims %v", first)
	}
	g.revoke(t, verdict.ActionThrottle, verdict.TargetSession, g.session("ann"))
	if level := said("/pages/7?label=low")["risk_level"]; level != "HIGH" {
		t.Errorf("risk level %v under a throttle, want HIGH", level)
	}
	_, text = do(t, g.request(t, "GET", "/open", "junk", nil))
	if text != "" {
		t.Errorf("a request without a believed credential has the assertion or token %q", text)
	}
	for _, spelling := range []string{"Bearer\tjunk", "bearer\xa0junk", "\xa0DPoP junk", "Bearer:junk"} {
		r := g.request(t, "GET", "/open", "", nil)
		r.Header.Set("Authorization", spelling)
		_, text = do(t, r)
		if text != "" {
			t.Errorf("an upstream that reads leniently gets a token that nobody believed: %q", text)
		}
	}
	r := g.request(t, "GET", "/open", "", nil)
	r.Header.Set("Authorization", "Basic eA==")
	_, text = do(t, r)
	if text != "Basic eA==" {
		t.Errorf("what is between a client and its upstream arrives as %q", text)
	}

	err = g.stop()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	events := g.events(t)
	for _, e := range events["page"] {
		got = append(got, e.GetSensitivity())
	}
	if diff := cmp.Diff([]string{"critical", "normal"}, got); diff != "" {
		t.Errorf("sensitivities (-want +got):\n%s", diff)
	}
	if len(events[""]) != 2 || events[""][0].GetDecision() != event.DecisionPermit || events[""][1].GetDecision() != event.DecisionDeny {
		t.Errorf("events about the keys: %v", events[""])
	}
}
