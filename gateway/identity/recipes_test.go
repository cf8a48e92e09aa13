package identity_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// The fixed clock of the tokens in testdata: 2026-11-22 12:00:00 UTC.
const clock = 1795348800

// issuer is who signs the tokens in testdata.
const issuer = "https://issuer.test"

// recipe says how a token in testdata is made and what must come of it.
type recipe struct {
	expect string // ok, or the code of the refusal.
	why    string
	make   func(k keys) string
}

// Headers and claims that are good; recipes spoil them by replacing text.
const (
	header = `{"alg":"RS256","typ":"at+jwt","kid":"rsa"}`
	claims = `{"iss":"https://issuer.test","sub":"alice","aud":"https://api.test","exp":1795349100,"iat":1795348500,"auth_time":1795340000,"jti":"t-1","sid":"s-1","client_id":"web","scope":"read write","acr":"mfa","amr":["pwd","otp"]}`
)

// swap returns text with one part replaced, which must be there.
func swap(text, old, replacement string) string {
	if !strings.Contains(text, old) {
		panic("recipe replaces what is not there: " + old)
	}
	return strings.Replace(text, old, replacement, 1)
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// sign makes a token in compact form with the key that the header's alg and
// kid name; both signature schemes with random numbers are made without them.
func (k keys) sign(head, body string) string {
	return k.signRaw(b64(head)+"."+b64(body), head)
}

func (k keys) signRaw(signing, head string) string {
	digest := sha256.Sum256([]byte(signing))
	var sig []byte
	var err error
	switch {
	case strings.Contains(head, `"RS256"`):
		key := k.rsa
		if strings.Contains(head, `"rsa-other"`) {
			key = k.other
		}
		sig, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	case strings.Contains(head, `"PS256"`):
		sig, err = rsa.SignPSS(zeros{}, k.rsa, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 32})
	case strings.Contains(head, `"ES256"`):
		sig = signES256(k.ec, digest[:])
	case strings.Contains(head, `"EdDSA"`):
		sig = ed25519.Sign(k.ed, []byte(signing))
	case strings.Contains(head, `"HS256"`):
		mac := hmac.New(sha256.New, k.rsaPEM) // The classic confusion: the public key as a secret.
		mac.Write([]byte(signing))
		sig = mac.Sum(nil)
	}
	if err != nil {
		panic(err)
	}
	return signing + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// zeros is a source of randomness that has none.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// signES256 signs deterministically (RFC 6979) and returns r and s side by side.
func signES256(key *ecdsa.PrivateKey, digest []byte) []byte {
	der, err := key.Sign(nil, digest, crypto.SHA256)
	if err != nil {
		panic(err)
	}
	r, s := parseDER(der)
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out
}

// parseDER reads SEQUENCE{INTEGER, INTEGER} with lengths below 128.
func parseDER(der []byte) (r, s *big.Int) {
	n := int(der[3])
	r = new(big.Int).SetBytes(der[4 : 4+n])
	m := int(der[5+n])
	return r, new(big.Int).SetBytes(der[6+n : 6+n+m])
}

// plain is a token with a header and claims as they stand.
func plain(head, body string) func(keys) string {
	return func(k keys) string { return k.sign(head, body) }
}

// withHeader and withClaims spoil one part of a good token.
func withHeader(old, replacement string) func(keys) string {
	return plain(swap(header, old, replacement), claims)
}

func withClaims(old, replacement string) func(keys) string {
	return plain(header, swap(claims, old, replacement))
}

// recipes are all tokens of testdata/tokens by the name of their file.
func recipes() map[string]recipe {
	all := make(map[string]recipe)
	for name, r := range hostile() {
		all["hostile-"+name] = r
	}
	for name, r := range odd() {
		r.expect = "ok"
		all["odd-"+name] = r
	}
	return all
}

func at(offset int) string { return fmt.Sprint(clock + offset) }

func nested(depth int) string {
	return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":0,`, i)
	}
	return b.String()
}

// odd tokens are unusual and good.
func odd() map[string]recipe {
	return map[string]recipe{
		"plain":                  {why: "the token that the others are made from", make: plain(header, claims)},
		"ps256":                  {why: "RSA-PSS", make: withHeader(`RS256`, `PS256`)},
		"es256":                  {why: "ECDSA on P-256", make: plain(`{"alg":"ES256","typ":"at+jwt","kid":"ec"}`, claims)},
		"eddsa":                  {why: "Ed25519", make: plain(`{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}`, claims)},
		"typ-jwt":                {why: "typ JWT is configured", make: withHeader(`at+jwt`, `JWT`)},
		"typ-application":        {why: "application/ before the type (RFC 7515 4.1.9)", make: withHeader(`at+jwt`, `application/at+jwt`)},
		"typ-case":               {why: "media types have no case", make: withHeader(`at+jwt`, `AT+JWT`)},
		"header-x5t":             {why: "a thumbprint is no key", make: withHeader(`"typ"`, `"x5t":"abc","cty":"json","typ"`)},
		"header-whitespace":      {why: "JSON may have spaces", make: plain("\n{ \"alg\" :\t\"RS256\" ,\r\n\"typ\":\"at+jwt\",\"kid\":\"rsa\" } ", claims)},
		"claims-whitespace":      {why: "JSON may have spaces", make: plain(header, " "+swap(claims, `,"aud"`, " ,\n\t\"aud\"")+"\r\n")},
		"aud-array":              {why: "one of several audiences is ours", make: withClaims(`"https://api.test"`, `["https://other.test","https://api.test"]`)},
		"aud-array-of-one":       {why: "an array of one", make: withClaims(`"https://api.test"`, `["https://api.test"]`)},
		"exp-float":              {why: "NumericDate may have a fraction", make: withClaims(`1795349100`, `1795349100.75`)},
		"exp-exponent":           {why: "a number is a number", make: withClaims(`1795349100`, `1.7953491e9`)},
		"exp-leeway":             {why: "expired within the leeway", make: withClaims(`1795349100`, at(-59))},
		"nbf-leeway":             {why: "valid soon, within the leeway", make: withClaims(`"jti"`, `"nbf":`+at(59)+`,"jti"`)},
		"iat-leeway":             {why: "issued by a clock that runs ahead", make: withClaims(`1795348500`, at(59))},
		"extra-claims":           {why: "claims that nobody knows", make: withClaims(`"jti"`, `"x":null,"y":[1,-2.5e-3,true,false,""],"z":{"a":{"b":[{}]}},"jti"`)},
		"escapes":                {why: "names and values may be escaped", make: withClaims(`"sub":"alice"`, `"\u0073ub":"\u0061lice"`)},
		"unicode":                {why: "a subject in another script, half escaped", make: withClaims(`alice`, `æ·\u00e9·\ud83d\ude00`)},
		"escaped-solidus":        {why: "issuers of some libraries are spelt so", make: withClaims(`"https://issuer.test"`, `"https:\/\/issuer.test"`)},
		"same-name-elsewhere":    {why: "a name may repeat in another object", make: withClaims(`"jti"`, `"x":{"sub":"bob","exp":1},"jti"`)},
		"names-that-differ-case": {why: "names have case: SUB is not sub", make: withClaims(`"jti"`, `"SUB":"bob","Exp":1,"jti"`)},
		"no-sid":                 {why: "the session is the jti", make: withClaims(`,"sid":"s-1"`, ``)},
		"no-sid-no-jti":          {why: "the session is the signing input", make: withClaims(`"jti":"t-1","sid":"s-1",`, ``)},
		"scp-list":               {why: "scopes as a list", make: withClaims(`"scope":"read write"`, `"scp":["read","write"]`)},
		"scp-text":               {why: "scopes of Microsoft's form", make: withClaims(`"scope":"read write"`, `"scp":"read write"`)},
		"no-scope":               {why: "a token without scopes", make: withClaims(`,"scope":"read write"`, ``)},
		"amr-text":               {why: "one method, not in a list", make: withClaims(`["pwd","otp"]`, `"pwd"`)},
		"service":                {why: "a client for itself (RFC 9068)", make: withClaims(`"client_id":"web"`, `"client_id":"alice"`)},
		"long-subject":           {why: "just within the limit", make: withClaims(`alice`, strings.Repeat("x", 1024))},
		"deep":                   {why: "just within the limit of depth", make: withClaims(`"jti"`, `"x":`+nested(7)+`,"jti"`)},
		"many-members":           {why: "just within the limit of members", make: withClaims(`"jti"`, many(480)+`"jti"`)},
		"aud-many":               {why: "just within the limit of a list", make: withClaims(`"https://api.test"`, `["https://api.test"`+strings.Repeat(`,"x"`, 127)+`]`)},
	}
}

func TestRecipesAreEnough(t *testing.T) {
	if n := len(hostile()); n < 40 {
		t.Errorf("%d hostile tokens, want at least 40", n)
	}
	if n := len(odd()); n < 20 {
		t.Errorf("%d odd tokens, want at least 20", n)
	}
}

// otherSpelling returns the same token with (r, n-s) in place of (r, s).
func otherSpelling(t *testing.T, token string) string {
	t.Helper()
	at := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	if err != nil {
		t.Fatal(err)
	}
	n, _ := new(big.Int).SetString(orderP256, 16)
	s := new(big.Int).SetBytes(sig[32:])
	n.Sub(n, s).FillBytes(sig[32:])
	return token[:at+1] + base64.RawURLEncoding.EncodeToString(sig)
}
