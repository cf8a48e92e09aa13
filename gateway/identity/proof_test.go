package identity_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/event"
)

func TestProofProves(t *testing.T) {
	k, v, p := loadKeys(t), verifier(t), newProver()
	token := p.bound(k)
	id, err := v.Verify(t.Context(), shown("DPoP", token, p.proof(token)), home)
	if err != nil {
		t.Fatal(err)
	}
	if id.Binding != event.BindingDPoP || id.Device != p.jkt() || id.Nonce != "" {
		t.Errorf("binding %q, device %q, nonce %q; want dpop and %s", id.Binding, id.Device, id.Nonce, p.jkt())
	}
	// Another proof for the same token, from the cache, in another spelling of the scheme.
	if got := outcome(t.Context(), v, shown("dpop", token, p.proof(token))); got != "ok" {
		t.Errorf("the second proof: %s", got)
	}
}

// Every kind of key proves, and its thumbprint is that of RFC 7638.
func TestProofAlgorithms(t *testing.T) {
	k, v := loadKeys(t), verifier(t)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for alg, key := range map[string]crypto.Signer{
		"ES256": must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "ES384": must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"ES512": must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)), "EdDSA": ed, "RS256": k.rsa, "PS256": k.rsa,
	} {
		p := proverOf(alg, key)
		token := p.bound(k)
		if got := outcome(t.Context(), v, shown("DPoP", token, p.proof(token))); got != "ok" {
			t.Errorf("%s: %s", alg, got)
		}
	}
}

// The thumbprint of RFC 9449's own example (section 6.1).
func TestProofKeyOfTheRFC(t *testing.T) {
	public := []byte(`{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}`)
	got, err := identity.Thumbprint(public)
	if err != nil || got != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("Thumbprint() = %q, %v", got, err)
	}
}

// Proofs are refused, each with its own code. The names are the attacks.
func TestProofAttacks(t *testing.T) {
	k, v, p, thief := loadKeys(t), verifier(t), newProver(), newProver()
	token := p.bound(k)
	plain := k.sign(header, claims)
	foreign := k.sign(header, swap(claims, `"jti"`, `"cnf":{"kid":"x"},"jti"`))
	private := maps.Clone(p.public)
	private["d"] = b64bytes(must(p.key.(*ecdsa.PrivateKey).Bytes()))
	weak := proverOf("RS256", k.weak)
	offCurve := maps.Clone(p.public)
	offCurve["y"] = p.public["x"]
	one := func(change ...func(*parts)) *http.Request { return shown("DPoP", token, p.proof(token, change...)) }
	tests := map[string]struct {
		request *http.Request
		want    string
	}{
		"a bound token as bearer":                 {shown("Bearer", token), identity.CodeBound},
		"a bound token as bearer, with its proof": {shown("Bearer", token, p.proof(token)), identity.CodeBound},
		"no proof":                 {shown("DPoP", token), identity.CodeProofMissing},
		"two proofs":               {shown("DPoP", token, p.proof(token), p.proof(token)), identity.CodeProofMalformed},
		"two proofs in one header": {shown("DPoP", token, p.proof(token)+", "+p.proof(token)), identity.CodeProofMalformed},
		"a thief's own key":        {shown("DPoP", token, thief.proof(token)), identity.CodeProofKey},
		"a thief's signature over the owner's key":   {shown("DPoP", token, thief.proof(token, setHeader("jwk", p.public))), identity.CodeProofSignature},
		"a token that is bound to nothing":           {shown("DPoP", plain, p.proof(plain)), identity.CodeNotBound},
		"a confirmation that we cannot check":        {shown("DPoP", foreign, p.proof(foreign)), identity.CodeBound},
		"a proof for another token":                  {shown("DPoP", token, p.proof(plain)), identity.CodeProofToken},
		"no ath":                                     {one(set("ath", nil)), identity.CodeProofMalformed},
		"an ath that is padded":                      {one(func(x *parts) { x.claims["ath"] = x.claims["ath"].(string) + "=" }), identity.CodeProofToken},
		"a proof for another method":                 {one(set("htm", "POST")), identity.CodeProofMethod},
		"methods have case":                          {one(set("htm", "get")), identity.CodeProofMethod},
		"no htm":                                     {one(set("htm", nil)), identity.CodeProofMalformed},
		"a proof for another path":                   {one(set("htu", "https://api.test/order")), identity.CodeProofURL},
		"a proof for another host":                   {one(set("htu", "https://evil.test/orders")), identity.CodeProofURL},
		"a proof for another port":                   {one(set("htu", "https://api.test:8443/orders")), identity.CodeProofURL},
		"a proof for another scheme":                 {one(set("htu", "http://api.test/orders")), identity.CodeProofURL},
		"a proof for another user":                   {one(set("htu", "https://a@api.test/orders")), identity.CodeProofURL},
		"a host that begins like ours":               {one(set("htu", "https://api.test.evil.test/orders")), identity.CodeProofURL},
		"an htu that is a path":                      {one(set("htu", "/orders")), identity.CodeProofURL},
		"an escaped slash is no slash":               {one(set("htu", "https://api.test/x%2F../orders")), identity.CodeProofURL},
		"an htu that is no text":                     {one(set("htu", []string{"https://api.test/orders"})), identity.CodeProofMalformed},
		"no htu":                                     {one(set("htu", nil)), identity.CodeProofMalformed},
		"an old proof":                               {one(set("iat", clock-61)), identity.CodeProofTime},
		"a proof from the future":                    {one(set("iat", clock+61)), identity.CodeProofTime},
		"no iat":                                     {one(set("iat", nil)), identity.CodeProofMalformed},
		"an iat that is a text":                      {one(set("iat", fmt.Sprint(clock))), identity.CodeProofMalformed},
		"no jti":                                     {one(set("jti", nil)), identity.CodeProofMalformed},
		"an empty jti":                               {one(set("jti", "")), identity.CodeProofMalformed},
		"a jti over its limit":                       {one(set("jti", strings.Repeat("x", 1025))), identity.CodeProofMalformed},
		"alg none":                                   {one(setHeader("alg", "none")), identity.CodeProofAlgorithm},
		"alg HS256 with the key as its secret":       {one(setHeader("alg", "HS256")), identity.CodeProofAlgorithm},
		"an algorithm that is not the key's":         {one(setHeader("alg", "ES384")), identity.CodeProofAlgorithm},
		"an access token as its own proof":           {shown("DPoP", token, token), identity.CodeProofMalformed},
		"typ JWT":                                    {one(setHeader("typ", "JWT")), identity.CodeProofMalformed},
		"no typ":                                     {one(setHeader("typ", nil)), identity.CodeProofMalformed},
		"no jwk":                                     {one(setHeader("jwk", nil)), identity.CodeProofMalformed},
		"a jwk with its private key":                 {one(setHeader("jwk", private)), identity.CodeProofMalformed},
		"a symmetric jwk":                            {one(setHeader("jwk", map[string]any{"kty": "oct", "k": "AAAA"})), identity.CodeProofMalformed},
		"a jwk that is not on its curve":             {one(setHeader("jwk", offCurve)), identity.CodeProofMalformed},
		"a jwk on an unknown curve":                  {one(setHeader("jwk", map[string]any{"kty": "EC", "crv": "secp256k1", "x": p.public["x"], "y": p.public["y"]})), identity.CodeProofMalformed},
		"a weak RSA key":                             {shown("DPoP", weak.bound(k), weak.proof(weak.bound(k))), identity.CodeProofMalformed},
		"jku":                                        {one(setHeader("jku", "http://169.254.169.254/")), identity.CodeProofMalformed},
		"x5c":                                        {one(setHeader("x5c", []string{"MIIB"})), identity.CodeProofMalformed},
		"crit":                                       {one(setHeader("crit", []string{"x"})), identity.CodeProofMalformed},
		"an encrypted proof":                         {shown("DPoP", token, "a.b.c.d.e"), identity.CodeProofMalformed},
		"a proof over its limit":                     {one(set("x", strings.Repeat("x", identity.ProofBytesMax))), identity.CodeProofMalformed},
		"a signature with its bits turned":           {shown("DPoP", token, turned(p.proof(token))), identity.CodeProofSignature},
		"two members of one name":                    {shown("DPoP", token, p.signJWS(swap(headerOf(p.proof(token)), `"typ"`, `"alg":"none","typ"`), "{}")), identity.CodeProofMalformed},
		"a bound token that has expired":             {shown("DPoP", p.expired(k), p.proof(p.expired(k))), identity.CodeExpired},
		"a token that is bound to a certificate too": {shown("DPoP", p.twice(k), p.proof(p.twice(k))), identity.CodeBound},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), tt.request, home)
			e, ok := errors.AsType[*identity.Error](err)
			if !ok || e.Code != tt.want {
				t.Fatalf("Verify() = %v, want %s", err, tt.want)
			}
			fact := tt.want == identity.CodeBound || tt.want == identity.CodeProofKey || tt.want == identity.CodeProofSignature
			if (e.Stolen != nil) != fact {
				t.Errorf("stolen is %v, want it told: %v", e.Stolen, fact)
			}
			if fact && (e.Stolen.Binding != event.BindingNone || e.Stolen.Device != "" || e.Stolen.Session != names(t).Session(issuer, "s-1")) {
				t.Errorf("stolen is %+v", e.Stolen)
			}
		})
	}
}

// headerOf is the decoded header of a token.
func headerOf(token string) string {
	head, _, _ := strings.Cut(token, ".")
	return string(must(base64.RawURLEncoding.DecodeString(head)))
}

// turned changes the first character of a signature.
func turned(token string) string {
	at := strings.LastIndexByte(token, '.') + 1
	return token[:at] + flip(token[at:])
}

func (p prover) expired(k keys) string {
	return k.sign(header, swap(swap(claims, `"jti"`, `"cnf":{"jkt":"`+p.jkt()+`"},"jti"`), "1795349100", at(-3600)))
}

func (p prover) twice(k keys) string {
	return k.sign(header, swap(claims, `"jti"`, `"cnf":{"jkt":"`+p.jkt()+`","x5t#S256":"abc"},"jti"`))
}

// Odd but good proofs.
func TestProofsThatAreOddAndGood(t *testing.T) {
	k, v, p := loadKeys(t), verifier(t), newProver()
	token := p.bound(k)
	more := maps.Clone(p.public)
	more["kid"], more["use"], more["alg"] = "x", "sig", "ES256"
	at := func(target string, r *http.Request) *http.Request {
		r.URL = must(url.Parse(target))
		return r
	}
	one := func(change ...func(*parts)) *http.Request { return shown("DPoP", token, p.proof(token, change...)) }
	tests := map[string]*http.Request{
		"as old as it may be":                     one(set("iat", clock-60)),
		"as young as it may be":                   one(set("iat", clock+60)),
		"an iat with a fraction":                  one(set("iat", clock+0.5)),
		"a query and a fragment in htu":           one(set("htu", "https://api.test/orders?a=1#b")),
		"a query that htu has not got":            at("/orders?a=1", one()),
		"the default port in htu":                 one(set("htu", "https://api.test:443/orders")),
		"scheme and host in capitals":             one(set("htu", "HTTPS://API.Test/orders")),
		"an unreserved character that is escaped": one(set("htu", "https://api.test/%6Frders")),
		"escapes in small letters":                at("/a%C3%A9", one(set("htu", "https://api.test/a%c3%a9"))),
		"dot segments":                            one(set("htu", "https://api.test/x/.././orders")),
		"no path":                                 at("/", one(set("htu", "https://api.test"))),
		"a WebSocket":                             one(set("htu", "wss://api.test/orders")),
		"a nonce that nobody asked for":           one(set("nonce", "made-up")),
		"further claims":                          one(set("x", map[string]any{"y": 1})),
		"further members of jwk":                  one(setHeader("jwk", more)),
		"a kid":                                   one(setHeader("kid", "x")),
		"typ as a media type":                     one(setHeader("typ", "application/dpop+jwt")),
		"typ in capitals":                         one(setHeader("typ", "DPoP+JWT")),
		"a jti as long as it may be":              one(set("jti", strings.Repeat("x", 1024))),
	}
	for name, r := range tests {
		t.Run(name, func(t *testing.T) {
			if got := outcome(t.Context(), v, r); got != "ok" {
				t.Errorf("Verify() = %s", got)
			}
		})
	}
}

// A proof is used once: from the same address it is a client that repeats itself,
// from another one it is a theft.
func TestReplayedProof(t *testing.T) {
	k, p := loadKeys(t), newProver()
	now := time.Unix(clock, 0)
	v := verifier(t, func(o *identity.Options) { o.Now = func() time.Time { return now } })
	token := p.bound(k)
	first := p.proof(token, set("iat", clock+60)) // Good for as long as a proof can be.
	for _, tt := range []struct {
		after time.Duration
		from  netip.Addr
		want  string
	}{
		{0, home, "ok"},
		{0, home, identity.CodeProofRepeated},
		{0, elsewhere, identity.CodeProofReplayed},
		{60 * time.Second, elsewhere, identity.CodeProofReplayed},
		{120 * time.Second, home, identity.CodeProofRepeated},
		{121 * time.Second, home, identity.CodeProofTime},
	} {
		now = time.Unix(clock, 0).Add(tt.after)
		_, err := v.Verify(t.Context(), shown("DPoP", token, first), tt.from)
		got := "ok"
		if err != nil {
			e, _ := errors.AsType[*identity.Error](err)
			got = e.Code
			if (e.Stolen != nil) != (got == identity.CodeProofReplayed) {
				t.Errorf("%s: stolen is %v", got, e.Stolen)
			}
		}
		if got != tt.want {
			t.Errorf("after %s from %s: %s, want %s", tt.after, tt.from, got, tt.want)
		}
	}
	// The same jti by another key is another proof.
	now = time.Unix(clock, 0)
	for _, q := range []prover{p, newProver()} {
		token := q.bound(k)
		if got := outcome(t.Context(), v, shown("DPoP", token, q.proof(token, set("jti", "same")))); got != "ok" {
			t.Errorf("a jti of two keys: %s", got)
		}
	}
}

// A reload must not let anybody use a proof again, nor take nonces away.
func TestReloadRemembersProofs(t *testing.T) {
	nonces := func(o *identity.Options) { o.Config.Issuers[0].DPoPNonce = true }
	k, p, v := loadKeys(t), newProver(), verifier(t, nonces)
	token := p.bound(k)
	_, err := v.Verify(t.Context(), shown("DPoP", token, p.proof(token)), home)
	e, _ := errors.AsType[*identity.Error](err)
	used := p.proof(token, set("nonce", e.Nonce))
	if got := outcome(t.Context(), v, shown("DPoP", token, used)); got != "ok" {
		t.Fatal(got)
	}
	next := verifier(t, nonces, func(o *identity.Options) { o.Config.DPoP.Window, o.Config.DPoP.ProofsMax = 2*time.Minute, 1<<10 })
	next.InheritKeys(v)
	if got := outcome(t.Context(), next, shown("DPoP", token, used)); got != identity.CodeProofRepeated {
		t.Errorf("after a reload: %s", got)
	}
	if got := outcome(t.Context(), next, shown("DPoP", token, p.proof(token, set("nonce", e.Nonce)))); got != "ok" {
		t.Errorf("a nonce of before the reload: %s", got)
	}
}

// Of many who use one proof at the same time one is served.
func TestProofIsUsedOnceAtOnce(t *testing.T) {
	k, p, v := loadKeys(t), newProver(), verifier(t)
	token := p.bound(k)
	proof := p.proof(token)
	var served atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if outcome(t.Context(), v, shown("DPoP", token, proof)) == "ok" {
				served.Add(1)
			}
		})
	}
	wg.Wait()
	if n := served.Load(); n != 1 {
		t.Errorf("one proof served %d requests", n)
	}
}

// The memory of proofs is bounded; beyond it the gateway fails closed, and
// recovers by itself.
func TestProofsAreBounded(t *testing.T) {
	k, p := loadKeys(t), proverOf("EdDSA", ed25519.NewKeyFromSeed(make([]byte, 32)))
	now := time.Unix(clock, 0)
	v := verifier(t, func(o *identity.Options) {
		o.Config.DPoP.ProofsMax = 128
		o.Now = func() time.Time { return now }
	})
	token := p.bound(k)
	full := 0
	for range 512 {
		got := outcome(t.Context(), v, shown("DPoP", token, p.proof(token)))
		switch got {
		case "ok":
		case "too many DPoP proofs at once":
			full++
		default:
			t.Fatal(got)
		}
	}
	if full < 512-64 {
		t.Errorf("%d of 512 proofs were refused, want all but one of each shard", full)
	}
	now = now.Add(4 * time.Minute)
	late := p.proof(token, set("iat", now.Unix()))
	if got := outcome(t.Context(), v, shown("DPoP", token, late)); got != "ok" {
		t.Errorf("when all of them are too old: %s", got)
	}
}

// Where an issuer asks for nonces, a proof without a recent one of this gateway
// is answered with one.
func TestNonce(t *testing.T) {
	k, p := loadKeys(t), newProver()
	const span = time.Minute
	now := time.Unix(clock-clock%60, 0)
	fresh := func() *identity.Verifier {
		return verifier(t, func(o *identity.Options) {
			o.Config.Issuers[0].DPoPNonce, o.Config.DPoP.NonceLifetime = true, span
			o.Now = func() time.Time { return now }
		})
	}
	v, neighbour := fresh(), fresh()
	token := p.bound(k)
	try := func(v *identity.Verifier, nonce any) (got, next string) {
		id, err := v.Verify(t.Context(), shown("DPoP", token, p.proof(token, set("iat", now.Unix()), set("nonce", nonce))), home)
		if err == nil {
			return "ok", id.Nonce
		}
		e, _ := errors.AsType[*identity.Error](err)
		return e.Code, e.Nonce
	}
	got, nonce := try(v, nil)
	if got != identity.CodeProofNonce || nonce == "" {
		t.Fatalf("without a nonce: %s, %q", got, nonce)
	}
	if got, next := try(v, nonce); got != "ok" || next != "" {
		t.Errorf("with it: %s, next %q", got, next)
	}
	if got, _ := try(neighbour, nonce); got != identity.CodeProofNonce {
		t.Errorf("at another gateway: %s", got)
	}
	if got, _ := try(v, turnedText(nonce)); got != identity.CodeProofNonce {
		t.Errorf("changed: %s", got)
	}
	now = now.Add(span)
	got, next := try(v, nonce)
	if got != "ok" || next == "" || next == nonce {
		t.Errorf("in the span after: %s, next %q", got, next)
	}
	now = now.Add(span)
	if got, _ := try(v, nonce); got != identity.CodeProofNonce {
		t.Errorf("two spans after: %s", got)
	}
}

func turnedText(s string) string { return s[:len(s)-4] + flip(s[len(s)-4:]) }

// An issuer, or the gateway's known origins, may ask for more.
func TestProofOptions(t *testing.T) {
	k, p := loadKeys(t), newProver()
	token, plain := p.bound(k), k.sign(header, claims)
	bindingOnly := verifier(t, func(o *identity.Options) { o.Config.Issuers[0].Binding = []string{event.BindingDPoP} })
	if got := outcome(t.Context(), bindingOnly, shown("Bearer", plain)); got != identity.CodeNotBound {
		t.Errorf("an issuer that binds, a token that is not bound: %s", got)
	}
	if got := outcome(t.Context(), bindingOnly, shown("DPoP", token, p.proof(token))); got != "ok" {
		t.Errorf("an issuer that binds: %s", got)
	}
	behind := verifier(t, func(o *identity.Options) { o.Config.DPoP.Origins = []string{"https://api.test/"} })
	r := shown("DPoP", token, p.proof(token))
	r.TLS, r.Host = nil, "10.0.0.7:8080" // TLS ends before us.
	if got := outcome(t.Context(), behind, r); got != "ok" {
		t.Errorf("behind something that ends TLS: %s", got)
	}
	r = shown("DPoP", token, p.proof(token, set("htu", "https://evil.test/orders")))
	r.Host = "evil.test"
	if got := outcome(t.Context(), behind, r); got != identity.CodeProofURL {
		t.Errorf("a proof for another site, with its host: %s", got)
	}
}

func BenchmarkProof(b *testing.B) {
	k, p := loadKeys(b), newProver()
	v := verifier(b)
	token := p.bound(k)
	requests := make([]*http.Request, 20000)
	for i := range requests {
		requests[i] = shown("DPoP", token, p.proof(token))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n == len(requests) {
			b.StopTimer()
			v = verifier(b)
			n = 0
			b.StartTimer()
		}
		_, err := v.Verify(b.Context(), requests[n], home)
		n++
		if err != nil {
			b.Fatal(err)
		}
	}
}
