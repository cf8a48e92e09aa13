package assertion_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/vigil-gateway/vigil/gateway/assertion"
	"github.com/vigil-gateway/vigil/gateway/identity"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func keyFile(tb testing.TB, private any) string {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "key.pem")
	err = os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

func ed(tb testing.TB) string {
	tb.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return keyFile(tb, private)
}

func ec(t *testing.T, curve elliptic.Curve) string {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keyFile(t, private)
}

func config(files ...string) assertion.Config {
	c := assertion.DefaultConfig()
	c.Issuer, c.KeyFiles = "https://gateway.example", files
	return c
}

func orders() *url.URL { return &url.URL{Scheme: "https", Host: "Orders.internal:8443", Path: "/v1"} }

// A scope and a method are one word each. A group whose name has a space in it must not
// become two scopes, of which the second is a right of somebody else's.
func TestAScopeWithASpaceIsNotTwo(t *testing.T) {
	s, err := assertion.New(config(ed(t)), func() time.Time { return t0 })
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.Sign(&identity.Identity{
		Subject: "pseudonym", Scopes: []string{"read", "friends admin", "tab\tadmin", `quo"te`}, AMR: []string{"pwd", "x otp"},
	}, "", "", orders())
	if err != nil {
		t.Fatal(err)
	}
	got, err := jwt.ParseInsecure([]byte(token))
	if err != nil {
		t.Fatal(err)
	}
	scope, _ := got.Get("scope")
	amr, _ := got.Get("amr")
	if diff := cmp.Diff([]any{"read", []any{"pwd"}}, []any{scope, amr}); diff != "" {
		t.Errorf("scope and amr (-want +got):\n%s", diff)
	}
}

// An upstream can check an assertion with the published keys alone, and reads
// in it what the gateway knows.
func TestUpstreamReadsAssertion(t *testing.T) {
	ann := &identity.Identity{
		Tenant: "acme", Issuer: "https://idp.example", Subject: "pseudonym", Session: "session", ClientID: "app", Kind: "human",
		Scopes: []string{"read", "write"}, ACR: "gold", AMR: []string{"pwd", "otp"}, AuthTime: t0.Add(-time.Hour), Binding: "dpop",
	}
	for name, file := range map[string]string{"Ed25519": ed(t), "P-256": ec(t, elliptic.P256())} {
		t.Run(name, func(t *testing.T) {
			s, err := assertion.New(config(file, ed(t)), func() time.Time { return t0 })
			if err != nil {
				t.Fatal(err)
			}
			token, err := s.Sign(ann, "device", "throttle", orders())
			if err != nil {
				t.Fatal(err)
			}
			keys, err := jwk.Parse(s.Keys())
			if err != nil || keys.Len() != 2 || strings.Contains(string(s.Keys()), `"d"`) {
				t.Fatalf("published keys %s: %v", s.Keys(), err)
			}
			got, err := jwt.Parse([]byte(token), jwt.WithKeySet(keys), jwt.WithAudience("https://orders.internal:8443"),
				jwt.WithIssuer("https://gateway.example"), jwt.WithClock(jwt.ClockFunc(func() time.Time { return t0 })))
			if err != nil {
				t.Fatal(err)
			}
			claims, err := got.AsMap(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]any{
				"iss": "https://gateway.example", "aud": []string{"https://orders.internal:8443"}, "sub": "pseudonym", "iat": t0, "exp": t0.Add(time.Minute),
				"tenant": "acme", "idp": "https://idp.example", "sid": "session", "client_id": "app", "subject_kind": "human", "scope": "read write",
				"acr": "gold", "amr": []any{"pwd", "otp"}, "auth_time": float64(t0.Add(-time.Hour).Unix()), "binding": "dpop", "device": "device",
				"risk_level": "HIGH",
			}
			if diff := cmp.Diff(want, claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			m, err := jws.ParseString(token)
			if err != nil {
				t.Fatal(err)
			}
			if h := m.Signatures()[0].ProtectedHeaders(); h.Type() != "vigil-assertion+jwt" || h.KeyID() == "" {
				t.Errorf("header typ %q, kid %q", h.Type(), h.KeyID())
			}
		})
	}
}

// An assertion is used again for the same statement, while half its life is
// left, and never for another.
func TestAssertionIsUsedAgain(t *testing.T) {
	now := t0
	s, err := assertion.New(config(ed(t)), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	ann := identity.Identity{Subject: "ann", Session: "s"}
	sign := func(id identity.Identity, action string, u *url.URL) string {
		token, err := s.Sign(&id, "", action, u)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	first := sign(ann, "", orders())
	now = t0.Add(29 * time.Second)
	if sign(ann, "", orders()) != first {
		t.Error("a second one is made within half a life")
	}
	other := ann
	other.ACR = "gold"
	for name, token := range map[string]string{
		"after a step-up": sign(other, "", orders()), "under a verdict": sign(ann, "observe", orders()),
		"to another upstream": sign(ann, "", &url.URL{Scheme: "https", Host: "billing.internal"}),
	} {
		if token == first {
			t.Errorf("%s it is used again", name)
		}
	}
	now = t0.Add(30 * time.Second)
	if sign(ann, "", orders()) == first {
		t.Error("it is used again beyond half its life")
	}
}

// A faulty configuration says what is wrong, and never what a key is.
func TestNewRefuses(t *testing.T) {
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	err = os.WriteFile(text, []byte("c2VjcmV0"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		config assertion.Config
		want   string
	}{
		"no such file":  {config("/nowhere/key.pem"), "key_files[0]: read key: stat /nowhere/key.pem: no such file or directory"},
		"no key":        {config(text), "holds no key in PEM form"},
		"RSA":           {config(keyFile(t, long)), "is no private key of Ed25519 or ECDSA P-256"},
		"another curve": {config(ec(t, elliptic.P384())), "is no private key of Ed25519 or ECDSA P-256"},
		"no issuer":     {assertion.Config{KeyFiles: []string{text}, TTL: time.Minute}, "issuer: must be an https URL without query, fragment and user, is \"\""},
		"no keys":       {assertion.Config{Issuer: "https://gateway.example", TTL: time.Minute}, "issuer: without key_files nothing is signed"},
		"too long":      {assertion.Config{TTL: time.Hour}, "ttl: must be between 10s and 10m0s, is 1h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := assertion.New(tt.config, time.Now)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("New() = %v, want %q", err, tt.want)
			}
		})
	}
	s, err := assertion.New(assertion.DefaultConfig(), time.Now)
	if s != nil || err != nil {
		t.Errorf("New() without keys = %v, %v, want nothing", s, err)
	}
}

// BenchmarkSign shows what a request pays for its assertion: one that is made,
// and one that is used again.
func BenchmarkSign(b *testing.B) {
	file := ed(b)
	for name, step := range map[string]time.Duration{"made": time.Hour, "again": 0} {
		b.Run(name, func(b *testing.B) {
			now := t0
			s, err := assertion.New(config(file), func() time.Time { return now })
			if err != nil {
				b.Fatal(err)
			}
			ann, upstream := &identity.Identity{Subject: "ann", Session: "s"}, orders()
			for b.Loop() {
				now = now.Add(step)
				_, err := s.Sign(ann, "", "", upstream)
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A key that was changed signs from the next assertion on, without a restart; a file
// that holds none changes nothing.
func TestReload(t *testing.T) {
	old, fresh := ed(t), ed(t)
	config := assertion.DefaultConfig()
	config.KeyFiles, config.Issuer = []string{old}, "https://gateway.test"
	s, err := assertion.New(config, func() time.Time { return t0 })
	if err != nil {
		t.Fatal(err)
	}
	who, upstream := &identity.Identity{Subject: "s"}, &url.URL{Scheme: "https", Host: "up.test"}
	sign := func() (token string, verified bool) {
		t.Helper()
		token, err := s.Sign(who, "", "", upstream)
		if err != nil {
			t.Fatal(err)
		}
		set, err := jwk.Parse(s.Keys())
		if err != nil {
			t.Fatal(err)
		}
		_, err = jws.Verify([]byte(token), jws.WithKeySet(set))
		return token, err == nil
	}
	first, good := sign()
	if !good {
		t.Fatal("the first key does not verify")
	}
	config.KeyFiles = []string{fresh, old}
	err = s.Reload(config)
	if err != nil {
		t.Fatal(err)
	}
	second, good := sign()
	if second == first || !good {
		t.Errorf("after a reload the same assertion is given (%v), or one that does not verify (%v)", second == first, !good)
	}
	for _, files := range [][]string{nil, {filepath.Join(t.TempDir(), "none.pem")}} {
		config.KeyFiles = files
		err = s.Reload(config)
		third, good := sign()
		if err == nil || third != second || !good {
			t.Errorf("key files %q: error %v, another assertion: %v", files, err, third != second)
		}
	}
}
