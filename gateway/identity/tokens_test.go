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
	"strconv"
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
	ec, ec384, ec521 *ecdsa.PrivateKey
	dpop, thief      *ecdsa.PrivateKey // Of clients that prove a key.
	ed               ed25519.PrivateKey
	rsaPEM           []byte // The public key of rsa.
}

// home is where requests of these tests come from.
var home = netip.MustParseAddr("192.0.2.1")

var (
	keyDir   = filepath.Join("..", "..", "testdata", "keys")
	tokenDir = filepath.Join("..", "..", "testdata", "tokens")
	jwksFile = filepath.Join(keyDir, "jwks.json")
	// everyFile holds the keys of the issuer that takes every algorithm.
	everyFile = filepath.Join(keyDir, "jwks-every.json")
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
		ec:    curveKey(tb, "ec", elliptic.P256()),
		ec384: curveKey(tb, "ec384", elliptic.P384()),
		ec521: curveKey(tb, "ec521", elliptic.P521()),
		dpop:  curveKey(tb, "dpop", elliptic.P256()),
		thief: curveKey(tb, "dpop-thief", elliptic.P256()),
		ed:    load(tb, "ed", func() any { _, private, err := ed25519.GenerateKey(rand.Reader); return must(private, err) }).(ed25519.PrivateKey),
	}
	k.rsaPEM = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(k.rsa.Public()))})
	if updating() {
		write(tb, jwksFile, k.jwks())
		write(tb, everyFile, k.every())
	}
	return k
}

func curveKey(tb testing.TB, name string, curve elliptic.Curve) *ecdsa.PrivateKey {
	tb.Helper()
	return load(tb, name, func() any { return must(ecdsa.GenerateKey(curve, rand.Reader)) }).(*ecdsa.PrivateKey)
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

// adder adds keys to a set.
func adder(set jwk.Set) func(kid string, raw any, more map[string]any) {
	return func(kid string, raw any, more map[string]any) {
		j := must(jwk.FromRaw(raw))
		err := j.Set(jwk.KeyIDKey, kid)
		for name, value := range more {
			err = errors.Join(err, j.Set(name, value))
		}
		must(0, errors.Join(err, set.AddKey(j)))
	}
}

// every is the key set of the issuer that takes every algorithm; its id rsa is
// another key than the first issuer's.
func (k keys) every() []byte {
	set := jwk.NewSet()
	add := adder(set)
	add("rsa", k.other.Public(), nil)
	add("ec384", k.ec384.Public(), nil)
	add("ec521", k.ec521.Public(), nil)
	return append(must(json.MarshalIndent(set, "", "  ")), '\n')
}

// jwks is the issuer's key set: good keys beside some that must not be used.
func (k keys) jwks() []byte {
	set := jwk.NewSet()
	add := adder(set)
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

// everySpec is the other issuer of the tokens in testdata.
func everySpec() identity.Issuer {
	return identity.Issuer{
		Issuer: "https://every.test", Audiences: []string{"https://every.test/api"}, JWKSFile: everyFile, Types: []string{"none", "JWT"},
		Algorithms:  []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"},
		MaxTokenAge: time.Hour, RequiredClaims: []string{"org=acme"},
	}
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
// full check and, where it is good, from the cache. Proofs are good once, so
// those go to a verifier of their own each time.
func TestTokens(t *testing.T) {
	k := loadKeys(t)
	all := recipes()
	if updating() {
		for name, r := range all {
			write(t, filepath.Join(tokenDir, name+".txt"), r.file(k))
		}
	}
	files, err := filepath.Glob(filepath.Join(tokenDir, "*.txt"))
	if err != nil || len(files) != len(all) {
		t.Fatalf("%d token files, %v, want one for each of %d recipes", len(files), err, len(all))
	}
	fresh := func() *identity.Verifier {
		return verifier(t, func(o *identity.Options) { o.Config.Issuers = append(o.Config.Issuers, everySpec()) })
	}
	v := fresh()
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			x := readVector(t, file)
			if x.expect != all[name].expect {
				t.Fatalf("file expects %q, recipe %q", x.expect, all[name].expect)
			}
			for range 2 {
				if len(x.proofs) > 0 {
					v = fresh()
				}
				if got := outcome(t.Context(), v, shown(x.scheme, x.token, x.proofs...)); got != x.expect {
					t.Errorf("Verify() = %q, want %q (%s)", got, x.expect, all[name].why)
				}
			}
		})
	}
}

// file is the text of a recipe's file in testdata/tokens.
func (r recipe) file(k keys) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# TEST ONLY. %s\n# clock: %s\nexpect: %s\n", r.why, time.Unix(clock, 0).UTC().Format(time.RFC3339), r.expect)
	if r.scheme != "" {
		fmt.Fprintf(&b, "scheme: %q\n", r.scheme)
	}
	token := r.make(k)
	fmt.Fprintf(&b, "\n%s\n", token)
	if r.proofs != nil {
		for _, p := range r.proofs(k, token) {
			fmt.Fprintf(&b, "%s\n", p)
		}
	}
	return []byte(b.String())
}

// vector is a file of testdata/tokens: a token, and the DPoP proofs that are
// sent with it in a GET of https://api.test/orders.
type vector struct {
	expect, scheme, token string
	proofs                []string
}

// readVector reads a file of testdata/tokens.
func readVector(tb testing.TB, file string) vector {
	tb.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	head, body, ok := strings.Cut(string(b), "\n\n")
	x := vector{scheme: "Bearer"}
	for line := range strings.Lines(head + "\n") {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "expect":
			x.expect = value
		case "scheme":
			x.scheme, err = strconv.Unquote(value)
		}
	}
	if !ok || x.expect == "" || err != nil {
		tb.Fatalf("%s has no expectation: %v", file, err)
	}
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	x.token, x.proofs = lines[0], lines[1:]
	return x
}
