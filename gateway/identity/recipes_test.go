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
	"regexp"
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

	scheme string                              // Bearer where empty.
	proofs func(k keys, token string) []string // DPoP proofs that are sent beside it.
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

// with replaces a member of the good claims, or adds it; without takes it away.
func with(name, value string) func(keys) string { return plain(header, put(claims, name, value)) }

func without(name string) func(keys) string {
	return plain(header, take(claims, name))
}

// head replaces a member of the good header, or adds it.
func head(name, value string) func(keys) string { return plain(put(header, name, value), claims) }

// memberOf finds a member of one of the texts above.
func memberOf(name string) *regexp.Regexp {
	return regexp.MustCompile(`,?"` + regexp.QuoteMeta(name) + `":("[^"]*"|\d+|\[[^\]]*\])`)
}

func put(object, name, value string) string {
	at := memberOf(name).FindStringIndex(object)
	if at == nil {
		return object[:len(object)-1] + `,"` + name + `":` + value + "}"
	}
	comma := strings.TrimSuffix(object[at[0]:at[0]+1], `"`)
	return object[:at[0]] + comma + `"` + name + `":` + value + object[at[1]:]
}

func take(object, name string) string {
	at := memberOf(name).FindStringIndex(object)
	if at == nil {
		panic("recipe takes what is not there: " + name)
	}
	return strings.Replace(object[:at[0]]+object[at[1]:], "{,", "{", 1)
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
	for name, r := range oddProofs() {
		r.expect, r.scheme = "ok", "DPoP"
		all["odd-proof-"+name] = r
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

func TestRecipesAreEnough(t *testing.T) {
	if n := len(hostile()); n < 150 {
		t.Errorf("%d hostile tokens, want at least 150", n)
	}
	if n := len(odd()) + len(oddProofs()); n < 150 {
		t.Errorf("%d odd tokens, want at least 150", n)
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

func decode(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }
