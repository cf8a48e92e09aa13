package identity_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// provider serves a key set that a test can change.
type provider struct {
	*httptest.Server

	fetches atomic.Int64
	answer  atomic.Pointer[http.HandlerFunc]
}

// serveKeys starts a provider that answers with a document.
func serveKeys(t *testing.T, document []byte) *provider {
	t.Helper()
	p := new(provider)
	p.keys(document)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		(*p.answer.Load())(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) keys(document []byte) {
	p.answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(document) })
}

func (p *provider) answers(h http.HandlerFunc) { p.answer.Store(&h) }

// fetching trusts the issuer of testdata by the keys of a provider, with a
// clock that the test moves.
func (p *provider) fetching(t *testing.T, change ...func(*identity.Options)) (*identity.Verifier, *atomic.Int64) {
	t.Helper()
	now := new(atomic.Int64)
	now.Store(time.Unix(clock, 0).UnixNano())
	return verifier(t, append([]func(*identity.Options){func(o *identity.Options) {
		o.Config.Issuers[0].JWKSFile, o.Config.Issuers[0].JWKSURL = "", p.URL+"/keys"
		o.Config.AllowPrivate = true
		o.Now = func() time.Time { return time.Unix(0, now.Load()) }
	}}, change...)...), now
}

// only returns the key set without all keys but some.
func only(t *testing.T, k keys, kids ...string) []byte {
	t.Helper()
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	err := json.Unmarshal(k.jwks(), &set)
	if err != nil {
		t.Fatal(err)
	}
	var kept []map[string]any
	for _, key := range set.Keys {
		for _, kid := range kids {
			if key["kid"] == kid {
				kept = append(kept, key)
			}
		}
	}
	return must(json.Marshal(map[string]any{"keys": kept}))
}

func TestKeysByURL(t *testing.T) {
	k := loadKeys(t)
	p := serveKeys(t, k.jwks())
	v, _ := p.fetching(t)
	if v.Ready() == nil {
		t.Error("ready without keys")
	}
	verify(t, v, k.sign(header, claims))
	verify(t, v, k.sign(`{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}`, claims))
	err := v.Ready()
	if err != nil || p.fetches.Load() != 1 {
		t.Errorf("Ready() = %v after %d fetches", err, p.fetches.Load())
	}
}

func TestKeysByDiscovery(t *testing.T) {
	k := loadKeys(t)
	p := serveKeys(t, nil)
	document := map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"}
	p.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/.well-known/openid-configuration" {
			_ = json.NewEncoder(w).Encode(document)
			return
		}
		_, _ = w.Write(k.jwks())
	})
	token := k.sign(header, swap(claims, issuer, p.URL))
	discover := func() string {
		v, _ := p.fetching(t, func(o *identity.Options) { o.Config.Issuers[0].Issuer, o.Config.Issuers[0].JWKSURL = p.URL, "" })
		return outcome(t.Context(), v, bearer(token))
	}
	if got := discover(); got != "ok" {
		t.Errorf("Verify() = %q", got)
	}
	document["issuer"] = "https://evil.test"
	if got := discover(); !strings.Contains(got, "openid configuration is that of") {
		t.Errorf("with a foreign configuration: %q", got)
	}
	document["issuer"], document["jwks_uri"] = p.URL, "http://169.254.169.254/latest/meta-data/"
	if got := discover(); !strings.Contains(got, "address is private") {
		t.Errorf("with keys at the cloud's metadata service: %q", got)
	}
	document["jwks_uri"] = "file:///etc/passwd"
	if got := discover(); !strings.Contains(got, "must be https") {
		t.Errorf("with keys in a file: %q", got)
	}
}

// A new key is found by the first token that needs it, at most once per
// interval; a withdrawn one takes its cached tokens along.
func TestKeyRotation(t *testing.T) {
	k := loadKeys(t)
	p := serveKeys(t, only(t, k, "rsa"))
	v, now := p.fetching(t)
	old, fresh := k.sign(header, claims), k.sign(`{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}`, claims)
	verify(t, v, old)
	p.keys(only(t, k, "ed"))
	for range 100 {
		if got := outcome(t.Context(), v, bearer(fresh)); got != identity.CodeKeyUnknown {
			t.Fatalf("within the interval: %q", got)
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Fatalf("100 unknown keys cost %d fetches, want none beside the first", n)
	}
	verify(t, v, old)
	now.Add(int64(30 * time.Second))
	verify(t, v, fresh)
	if got := outcome(t.Context(), v, bearer(old)); got != identity.CodeKeyUnknown {
		t.Errorf("a token of a withdrawn key: %q", got)
	}
}

// A flood of made-up key ids costs the provider two fetches a minute, and honest
// tokens nothing.
func TestFloodOfUnknownKeys(t *testing.T) {
	k := loadKeys(t)
	p := serveKeys(t, k.jwks())
	v, now := p.fetching(t)
	good := k.sign(header, claims)
	verify(t, v, good)
	for second := range 60 {
		for i := range 20 {
			made := b64(put(header, "kid", fmt.Sprintf(`"made-up-%d-%d"`, second, i))) + "." + b64(claims) + ".AAAA"
			if got := outcome(t.Context(), v, bearer(made)); got != identity.CodeKeyUnknown {
				t.Fatalf("Verify() = %s", got)
			}
		}
		verify(t, v, good)
		now.Add(int64(time.Second))
	}
	if n := p.fetches.Load(); n > 3 {
		t.Errorf("1,200 made-up key ids in a minute cost %d fetches", n)
	}
}

// Everybody who needs the same keys at the same time shares one fetch.
func TestFetchIsShared(t *testing.T) {
	k := loadKeys(t)
	p := serveKeys(t, nil)
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	p.answers(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		_, _ = w.Write(k.jwks())
	})
	v, _ := p.fetching(t)
	token := k.sign(header, claims)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got := outcome(t.Context(), v, bearer(token)); got != "ok" {
				t.Errorf("Verify() = %q", got)
			}
		})
	}
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := outcome(ctx, v, bearer(token)); !strings.Contains(got, "context canceled") {
		t.Errorf("a request that is gone waits: %q", got)
	}
	close(release)
	wg.Wait()
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// While the provider is away its last keys serve, until they are too old; what
// cannot be known then is the verifier's fault, not the token's.
func TestProviderIsAway(t *testing.T) {
	k := loadKeys(t)
	p := serveKeys(t, only(t, k, "rsa"))
	v, now := p.fetching(t, func(o *identity.Options) { o.Config.Issuers[0].Leeway = time.Minute })
	token := k.sign(header, swap(claims, "1795349100", fmt.Sprint(clock+1_000_000)))
	verify(t, v, token)
	p.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	now.Add(int64(23 * time.Hour))
	verify(t, v, token)
	if got := outcome(t.Context(), v, bearer(k.sign(`{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}`, swap(claims, "1795349100", fmt.Sprint(clock+1_000_000))))); !strings.Contains(got, "status 500") {
		t.Errorf("an unknown key while the provider is away: %q", got)
	}
	now.Add(int64(2 * time.Hour))
	if got := outcome(t.Context(), v, bearer(token)); !strings.Contains(got, "status 500") {
		t.Errorf("keys that are too old: %q", got)
	}
	if v.Ready() == nil {
		t.Error("ready with keys that are too old")
	}
	p.keys(k.jwks())
	now.Add(int64(30 * time.Second))
	verify(t, v, token)
}

// A reload makes a new verifier: what the old one knew of the same provider
// serves on, for no longer than it would have.
func TestKeysAreInherited(t *testing.T) {
	k := loadKeys(t)
	p := serveKeys(t, k.jwks())
	old, _ := p.fetching(t)
	token := k.sign(header, swap(claims, "1795349100", fmt.Sprint(clock+1_000_000)))
	verify(t, old, token)
	p.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	next, now := p.fetching(t)
	next.InheritKeys(old)
	verify(t, next, token)
	now.Add(int64(25 * time.Hour))
	if got := outcome(t.Context(), next, bearer(token)); !strings.Contains(got, "status 500") {
		t.Errorf("inherited keys that are too old: %q", got)
	}
	elsewhere, _ := p.fetching(t, func(o *identity.Options) { o.Config.Issuers[0].JWKSURL += "/other" })
	elsewhere.InheritKeys(old)
	if got := outcome(t.Context(), elsewhere, bearer(token)); !strings.Contains(got, "status 500") {
		t.Errorf("with keys from another URL: %q", got)
	}
}

// After a failure the provider is asked again soon, then ever more rarely.
func TestFetchBacksOff(t *testing.T) {
	k := loadKeys(t)
	p := serveKeys(t, nil)
	p.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	v, now := p.fetching(t)
	token := k.sign(header, claims)
	for range 300 {
		outcome(t.Context(), v, bearer(token))
		now.Add(int64(time.Second))
	}
	if n := p.fetches.Load(); n < 10 || n > 16 {
		t.Errorf("%d fetches in 5 minutes, want about 5 at first and then 2 per minute", n)
	}
}

func TestKeySetsThatAreRefused(t *testing.T) {
	k := loadKeys(t)
	redirected := serveKeys(t, k.jwks())
	twice := strings.Replace(string(only(t, k, "rsa", "ed")), `"kid":"ed"`, `"kid":"rsa"`, 1)
	keysOf := func(n int) string {
		return `{"keys":[` + strings.TrimSuffix(strings.Repeat(`{"kty":"oct","k":"AA"},`, n), ",") + `]}`
	}
	tests := map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, redirected.URL, http.StatusFound) }, "status 302"},
		"too large": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append(k.jwks(), make([]byte, identity.KeySetBytesMax)...))
		}, "more than"},
		"a gzip bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(append(k.jwks(), make([]byte, 64*identity.KeySetBytesMax)...)) // Some 16 KiB on the wire.
			_ = z.Close()
		}, "more than"},
		"no json": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "decode key set"},
		"a key of small order": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"AQ`+strings.Repeat("A", 41)+`"}]}`)
		}, "no usable key"},
		"no usable key": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(only(t, k, "rsa-1024", "rsa-enc", "oct")) }, "no usable key"},
		"one kid twice": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(twice)) }, "two keys with the id"},
		"too many keys": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(keysOf(identity.KeysMax + 1))) }, "at most"},
		"a private key": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(privateSet(k)) }, "no usable key"},
		"broken members": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[1,null,{"kty":"RSA"}]}`))
		}, "no usable key"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := serveKeys(t, nil)
			p.answers(tt.answer)
			v, _ := p.fetching(t)
			if got := outcome(t.Context(), v, bearer(k.sign(header, claims))); !strings.Contains(got, tt.want) {
				t.Errorf("Verify() = %q, want %q", got, tt.want)
			}
		})
	}
	if redirected.fetches.Load() > 0 {
		t.Error("the redirect was followed")
	}
}

// Keys are not fetched from inside of the house unless the operator says so.
func TestPrivateAddressesAreRefused(t *testing.T) {
	k := loadKeys(t)
	p := serveKeys(t, k.jwks())
	v := verifier(t, func(o *identity.Options) {
		o.Config.Issuers[0].JWKSFile = ""
		o.Config.Issuers[0].JWKSURL = strings.Replace(p.URL, "http://127.0.0.1", "https://localhost", 1)
	})
	if got := outcome(t.Context(), v, bearer(k.sign(header, claims))); !strings.Contains(got, "address is private") {
		t.Errorf("Verify() = %q", got)
	}
	linkLocal := verifier(t, func(o *identity.Options) {
		o.Config.AllowPrivate = true
		o.Config.Issuers[0].JWKSFile, o.Config.Issuers[0].JWKSURL = "", "http://169.254.169.254/keys"
	})
	if got := outcome(t.Context(), linkLocal, bearer(k.sign(header, claims))); !strings.Contains(got, "address is private") {
		t.Errorf("link-local: Verify() = %q", got)
	}
	if p.fetches.Load() > 0 {
		t.Error("the provider was asked")
	}
}

// An Ed25519 key is good under both names of its algorithm, whichever the set has.
func TestEd25519HasTwoNames(t *testing.T) {
	k := loadKeys(t)
	for _, ofKey := range []string{"EdDSA", "Ed25519"} {
		v, _ := serveKeys(t, []byte(swap(string(only(t, k, "ed")), `"kty"`, `"alg":"`+ofKey+`","kty"`))).fetching(t)
		for _, alg := range []string{"EdDSA", "Ed25519"} {
			head := `{"alg":"` + alg + `","typ":"at+jwt","kid":"ed"}`
			if got := outcome(t.Context(), v, bearer(k.signRaw(b64(head)+"."+b64(claims), `"EdDSA"`))); got != "ok" {
				t.Errorf("a key for %s, a token by %s: %s", ofKey, alg, got)
			}
		}
	}
}

// Every way to spell an address of our own house is one.
func TestAddressesOfTheHouse(t *testing.T) {
	for text, want := range map[string][2]bool{ // Without and with AllowPrivate.
		"93.184.216.34": {true, true}, "2606:2800:220:1::1": {true, true}, "64:ff9b::5db8:d822": {true, true},
		"127.0.0.1": {false, true}, "::1": {false, true}, "::ffff:127.0.0.1": {false, true}, "10.1.2.3": {false, true}, "172.16.0.1": {false, true},
		"192.168.0.1": {false, true}, "100.64.0.1": {false, true}, "fd00::1": {false, true}, "fec0::1": {false, true}, "0.1.2.3": {false, true},
		"198.18.0.1": {false, true}, "192.0.0.1": {false, true}, "240.0.0.1": {false, true}, "64:ff9b::a00:1": {false, true}, "64:ff9b::7f00:1": {false, true},
		"64:ff9b:1::5db8:d822": {false, true}, "2002:5db8:d822::1": {true, true}, "2002:a00:1::1": {false, true}, "2002:a9fe:a9fe::1": {},
		"2001:0:5db8:d822::1": {false, true}, "2001:200::1": {true, true}, "::a00:1": {false, true}, "::5db8:d822": {true, true}, "::a9fe:a9fe": {},
		"169.254.169.254": {}, "::ffff:169.254.169.254": {}, "64:ff9b::a9fe:a9fe": {}, "fe80::1": {}, "0.0.0.0": {}, "::": {}, "224.0.0.1": {}, "ff02::1": {},
	} {
		a := netip.MustParseAddr(text)
		if got := [2]bool{identity.Reachable(a, false), identity.Reachable(a, true)}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// A key file that has changed is read again by the first token that needs it.
func TestKeysByFile(t *testing.T) {
	k := loadKeys(t)
	file := filepath.Join(t.TempDir(), "jwks.json")
	write(t, file, only(t, k, "rsa"))
	now := new(atomic.Int64)
	now.Store(time.Unix(clock, 0).UnixNano())
	v := verifier(t, func(o *identity.Options) {
		o.Config.Issuers[0].JWKSFile = file
		o.Now = func() time.Time { return time.Unix(0, now.Load()) }
	})
	verify(t, v, k.sign(header, claims))
	write(t, file, only(t, k, "ed"))
	now.Add(int64(time.Second))
	verify(t, v, k.sign(`{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}`, claims))
	if got := outcome(t.Context(), v, bearer(k.sign(header, claims))); got != identity.CodeKeyUnknown {
		t.Errorf("a key that the file has no more: %q", got)
	}
}

// Run fetches at the start, without a token that asks for it.
func TestRunFetchesAtTheStart(t *testing.T) {
	k := loadKeys(t)
	p := serveKeys(t, k.jwks())
	v, _ := p.fetching(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); v.Ready() != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not ready")
		}
	}
	cancel()
	err := <-done
	if err != nil {
		t.Errorf("Run() = %v", err)
	}
}

func TestMissingKeyFileIsAFault(t *testing.T) {
	c := identity.DefaultConfig()
	c.Issuers = []identity.Issuer{spec(), spec()}
	c.Issuers[0].JWKSFile, c.Issuers[1].Issuer, c.Issuers[1].JWKSFile = "none", "https://other", os.DevNull
	o := options(t)
	o.Config = c
	_, err := identity.New(o)
	if err == nil || !strings.Contains(err.Error(), "issuers[0].jwks_file") || !strings.Contains(err.Error(), "issuers[1].jwks_file") {
		t.Errorf("New() = %v", err)
	}
}
