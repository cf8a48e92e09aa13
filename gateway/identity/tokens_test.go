package identity_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keys are the private keys of testdata/keys. TEST ONLY: they are public.
type keys struct {
	rsa, other, weak *rsa.PrivateKey
	ec               *ecdsa.PrivateKey
	ed               ed25519.PrivateKey
	rsaPEM           []byte // The public key of rsa.
}

// home is where requests of these tests come from.
var home = netip.MustParseAddr("192.0.2.1")

var (
	keyDir   = filepath.Join("..", "..", "testdata", "keys")
	tokenDir = filepath.Join("..", "..", "testdata", "tokens")
	jwksFile = filepath.Join(keyDir, "jwks.json")
)

func updating() bool { return os.Getenv("UPDATE_GOLDEN") != "" }

// loadKeys reads the private keys; with UPDATE_GOLDEN it makes those that are
// missing, and writes their public halves as a key set.
func loadKeys(tb testing.TB) keys {
	tb.Helper()
	k := keys{
		rsa:   load(tb, "rsa", func() any { return must(rsa.GenerateKey(rand.Reader, 2048)) }).(*rsa.PrivateKey),
		other: load(tb, "rsa-other", func() any { return must(rsa.GenerateKey(rand.Reader, 2048)) }).(*rsa.PrivateKey),
		weak:  load(tb, "rsa-1024", func() any { return must(rsa.GenerateKey(rand.Reader, 1024)) }).(*rsa.PrivateKey),
		ec:    load(tb, "ec", func() any { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }).(*ecdsa.PrivateKey),
		ed:    load(tb, "ed", func() any { _, private, err := ed25519.GenerateKey(rand.Reader); return must(private, err) }).(ed25519.PrivateKey),
	}
	k.rsaPEM = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(k.rsa.Public()))})
	if updating() {
		write(tb, jwksFile, k.jwks())
	}
	return k
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// load reads one private key in PEM.
func load(tb testing.TB, name string, generate func() any) any {
	tb.Helper()
	file := filepath.Join(keyDir, name+".pem")
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && updating() {
		der := must(x509.MarshalPKCS8PrivateKey(generate()))
		b = append([]byte("TEST ONLY: this key is public and protects nothing.\n"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
		write(tb, file, b)
		err = nil
	}
	if err != nil {
		tb.Fatal(err)
	}
	block, _ := pem.Decode(b)
	return must(x509.ParsePKCS8PrivateKey(block.Bytes))
}

func write(tb testing.TB, file string, b []byte) {
	tb.Helper()
	err := os.WriteFile(file, b, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
}

// jwks is the issuer's key set: good keys beside some that must not be used.
func (k keys) jwks() []byte {
	set := jwk.NewSet()
	add := func(kid string, raw any, more map[string]any) {
		j := must(jwk.FromRaw(raw))
		err := j.Set(jwk.KeyIDKey, kid)
		for name, value := range more {
			err = errors.Join(err, j.Set(name, value))
		}
		must(0, errors.Join(err, set.AddKey(j)))
	}
	add("rsa", k.rsa.Public(), map[string]any{jwk.KeyUsageKey: "sig"})
	add("rsa-rs256", k.rsa.Public(), map[string]any{jwk.AlgorithmKey: jwa.RS256})
	add("rsa-enc", k.rsa.Public(), map[string]any{jwk.KeyUsageKey: "enc"})
	add("rsa-1024", k.weak.Public(), nil)
	add("ec", k.ec.Public(), map[string]any{jwk.AlgorithmKey: jwa.ES256})
	add("ed", k.ed.Public(), nil)
	add("oct", []byte("a secret that is published"), nil)
	return append(must(json.MarshalIndent(set, "", "  ")), '\n')
}

// privateSet is a set that gives its private key away.
func privateSet(k keys) []byte {
	set := jwk.NewSet()
	j := must(jwk.FromRaw(k.rsa))
	must(0, errors.Join(j.Set(jwk.KeyIDKey, "rsa"), set.AddKey(j)))
	return must(json.Marshal(set))
}

// names are the pseudonyms of these tests.
func names(tb testing.TB) event.Names {
	tb.Helper()
	n, err := event.NewNames([]byte("a tenant key of 32 bytes, in tests"))
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// spec is the issuer of the tokens in testdata.
func spec() identity.Issuer {
	return identity.Issuer{Issuer: issuer, Audiences: []string{"https://api.test"}, JWKSFile: jwksFile}
}

// options trust the issuer of testdata at its fixed clock.
func options(tb testing.TB) identity.Options {
	tb.Helper()
	c := identity.DefaultConfig()
	c.Issuers = []identity.Issuer{spec()}
	return identity.Options{
		Config: c, Names: names(tb), Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{},
		Now: func() time.Time { return time.Unix(clock, 0) },
	}
}

// verifier is made from options with changes.
func verifier(tb testing.TB, change ...func(*identity.Options)) *identity.Verifier {
	tb.Helper()
	o := options(tb)
	for _, f := range change {
		f(&o)
	}
	v, err := identity.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// bearer is a request with a token.
func bearer(token string) *http.Request {
	return &http.Request{Header: http.Header{"Authorization": {"Bearer " + token}}}
}

// outcome is ok, the code of a refusal, or the text of another error.
func outcome(ctx context.Context, v *identity.Verifier, r *http.Request) string {
	_, err := v.Verify(ctx, r, home)
	var e *identity.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e):
		return e.Code
	}
	return err.Error()
}

// Every token of testdata/tokens comes out as its header says, twice: from a
// full check and, where it is good, from the cache.
func TestTokens(t *testing.T) {
	k := loadKeys(t)
	all := recipes()
	if updating() {
		for name, r := range all {
			text := fmt.Sprintf("# TEST ONLY. %s\n# clock: %s\nexpect: %s\n\n%s\n", r.why, time.Unix(clock, 0).UTC().Format(time.RFC3339), r.expect, r.make(k))
			write(t, filepath.Join(tokenDir, name+".txt"), []byte(text))
		}
	}
	files, err := filepath.Glob(filepath.Join(tokenDir, "*.txt"))
	if err != nil || len(files) != len(all) {
		t.Fatalf("%d token files, %v, want one for each of %d recipes", len(files), err, len(all))
	}
	v := verifier(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			expect, token := readToken(t, file)
			if expect != all[name].expect {
				t.Fatalf("file expects %q, recipe %q", expect, all[name].expect)
			}
			for range 2 {
				if got := outcome(t.Context(), v, bearer(token)); got != expect {
					t.Errorf("Verify() = %q, want %q (%s)", got, expect, all[name].why)
				}
			}
		})
	}
}

// readToken reads a file of testdata/tokens.
func readToken(tb testing.TB, file string) (expect, token string) {
	tb.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	head, body, ok := strings.Cut(string(b), "\n\n")
	for line := range strings.Lines(head + "\n") {
		value, found := strings.CutPrefix(line, "expect: ")
		if found {
			expect = strings.TrimSpace(value)
		}
	}
	if !ok || expect == "" {
		tb.Fatalf("%s has no expectation", file)
	}
	return expect, strings.TrimSuffix(body, "\n")
}
