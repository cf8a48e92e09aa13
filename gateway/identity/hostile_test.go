package identity_test

import (
	"encoding/base64"
	"maps"
	"math/big"
	"strings"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// orderP256 is the order of the curve P-256.
const orderP256 = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"

// tail changes the signature of a good token.
func tail(change func(signing, signature string) string) func(keys) string {
	return func(k keys) string {
		token := k.sign(header, claims)
		at := strings.LastIndexByte(token, '.')
		return change(token[:at], token[at+1:])
	}
}

// resigned signs other bytes than the compact form of a header and claims.
func resigned(head, signing string) func(keys) string {
	return func(k keys) string { return k.signRaw(signing, head) }
}

// nonCanonical returns s in base64url with bits behind its last byte set.
func nonCanonical(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for len(s)%3 == 0 {
		s += " "
	}
	e := b64(s)
	last := strings.IndexByte(alphabet, e[len(e)-1])
	return e[:len(e)-1] + string(alphabet[last|1])
}

// hostile tokens are refused, each with its own code.
func hostile() map[string]recipe {
	all := hostileForms()
	maps.Copy(all, hostileHeaders())
	for _, more := range []map[string]recipe{
		hostileClaims(), hostileJSON(), hostileTypes(), hostileKinds(), hostileSignatures(), hostileIssuers(), hostileProofs(),
	} {
		maps.Copy(all, more)
	}
	return all
}

func hostileForms() map[string]recipe {
	return map[string]recipe{
		"two-parts":          {expect: identity.CodeMalformed, why: "no signature part", make: tail(func(s, _ string) string { return s })},
		"four-parts":         {expect: identity.CodeMalformed, why: "one part too many", make: tail(func(s, g string) string { return s + "." + g + "." })},
		"jwe":                {expect: identity.CodeEncrypted, why: "five parts", make: func(keys) string { return b64(`{"alg":"RSA-OAEP","enc":"A256GCM"}`) + ".AAAA.AAAA.AAAA.AAAA" }},
		"jwe-header":         {expect: identity.CodeEncrypted, why: "an encrypted token's header in a signed one", make: withHeader(`"typ"`, `"enc":"A256GCM","typ"`)},
		"pbes2-bomb":         {expect: identity.CodeEncrypted, why: "a work factor", make: withHeader(`"typ"`, `"p2c":2147483647,"typ"`)},
		"json-serialisation": {expect: identity.CodeMalformed, why: "not the compact form", make: func(keys) string { return `{"payload":"e30","signatures":[]}` }},
		"empty-header":       {expect: identity.CodeMalformed, why: "nothing before the first dot", make: func(keys) string { return ".e30.AAAA" }},
		"empty-payload":      {expect: identity.CodeMalformed, why: "nothing between the dots", make: resigned(header, b64(header)+".")},
		"20-kib":             {expect: identity.CodeTooLarge, why: "over 16 KiB", make: withClaims(`alice`, strings.Repeat("x", 20<<10))},
		"header-large":       {expect: identity.CodeTooLarge, why: "a header over 2 KiB", make: withHeader(`"typ"`, `"x":"`+strings.Repeat("x", 2<<10)+`","typ"`)},
		"padding":            {expect: identity.CodeMalformed, why: "base64 with padding", make: tail(func(s, g string) string { return s + "." + g + "==" })},
		"standard-alphabet":  {expect: identity.CodeMalformed, why: "plus and slash", make: tail(func(s, g string) string { return s + ".+/" + g[2:] })},
		"trailing-bits":      {expect: identity.CodeMalformed, why: "a signature in a second spelling", make: tail(func(s, g string) string { return s + "." + g[:len(g)-1] + nextChar(g[len(g)-1]) })},
		"header-bits":        {expect: identity.CodeMalformed, why: "a header in a second spelling", make: resigned(header, nonCanonical(header)+"."+b64(claims))},
		"payload-bits":       {expect: identity.CodeMalformed, why: "claims in a second spelling", make: resigned(header, b64(header)+"."+nonCanonical(claims))},
		"header-no-json":     {expect: identity.CodeMalformed, why: "a header that is no JSON", make: plain(`"RS256" `, claims)},
		"header-array":       {expect: identity.CodeMalformed, why: "a header that is a list", make: plain(`["RS256"]`, claims)},
		"payload-no-object":  {expect: identity.CodeMalformed, why: "claims that are a list", make: plain(header, `[`+claims+`]`)},
		"payload-behind":     {expect: identity.CodeMalformed, why: "something behind the claims", make: plain(header, claims+"{}")},
		"payload-bom":        {expect: identity.CodeMalformed, why: "a byte order mark", make: plain(header, "\ufeff"+claims)},
		"payload-no-utf8":    {expect: identity.CodeMalformed, why: "bytes that are not UTF-8", make: withClaims(`alice`, "al\xffice")},
		"lone-surrogate":     {expect: identity.CodeMalformed, why: "half a character", make: withClaims(`alice`, `\ud800`)},
		"control-character":  {expect: identity.CodeMalformed, why: "a line feed in a text", make: withClaims(`alice`, "al\nice")},
		"trailing-comma":     {expect: identity.CodeMalformed, why: "lenient JSON", make: withClaims(`"otp"]}`, `"otp"],}`)},
		"comment":            {expect: identity.CodeMalformed, why: "lenient JSON", make: withClaims(`"jti"`, `/**/"jti"`)},
		"nan":                {expect: identity.CodeMalformed, why: "lenient JSON", make: withClaims(`1795349100`, `NaN`)},
		"leading-zero":       {expect: identity.CodeMalformed, why: "lenient JSON", make: withClaims(`1795349100`, `01795349100`)},
		"too-deep":           {expect: identity.CodeMalformed, why: "nested too deeply", make: withClaims(`"jti"`, `"x":`+nested(9)+`,"jti"`)},
		"stack-bomb":         {expect: identity.CodeMalformed, why: "thousands of brackets", make: withClaims(`"jti"`, `"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`,"jti"`)},
		"too-many-members":   {expect: identity.CodeMalformed, why: "more members than anybody needs", make: withClaims(`"jti"`, many(600)+`"jti"`)},
		"duplicate-claim":    {expect: identity.CodeDuplicateMember, why: "two subjects", make: withClaims(`"jti"`, `"sub":"bob","jti"`)},
		"duplicate-escaped":  {expect: identity.CodeDuplicateMember, why: "two subjects, one in disguise", make: withClaims(`"jti"`, `"s\u0075b":"bob","jti"`)},
		"duplicate-deep":     {expect: identity.CodeDuplicateMember, why: "twice the same name, far down", make: withClaims(`"jti"`, `"x":[{"a":{"b":1,"b":2}}],"jti"`)},
		"duplicate-many":     {expect: identity.CodeDuplicateMember, why: "behind many other names", make: withClaims(`"jti"`, many(100)+`"m3":1,"jti"`)},
		"duplicate-alg":      {expect: identity.CodeDuplicateMember, why: "two algorithms", make: withHeader(`"typ"`, `"alg":"none","typ"`)},
		"signature-empty":    {expect: identity.CodeSignature, why: "nothing behind the last dot", make: tail(func(s, _ string) string { return s + "." })},
		"signature-flipped":  {expect: identity.CodeSignature, why: "one bit is wrong", make: tail(func(s, g string) string { return s + "." + flip(g) })},
		"signature-of-other": {expect: identity.CodeSignature, why: "the signature of another token", make: func(k keys) string {
			a, b := k.sign(header, claims), k.sign(header, swap(claims, "alice", "mallory"))
			return b[:strings.LastIndexByte(b, '.')] + a[strings.LastIndexByte(a, '.'):]
		}},
		"signature-other-key": {expect: identity.CodeSignature, why: "signed by a key that is not in the set, under a kid that is", make: func(k keys) string {
			return k.signRaw(b64(header)+"."+b64(claims), `"RS256" "rsa-other"`)
		}},
		"es256-zero": {expect: identity.CodeSignature, why: "r and s are 0 (psychic signatures)", make: func(keys) string {
			return b64(`{"alg":"ES256","typ":"at+jwt","kid":"ec"}`) + "." + b64(claims) + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
		}},
		"es256-order": {expect: identity.CodeSignature, why: "r and s are the curve's order", make: func(keys) string {
			n, _ := new(big.Int).SetString(orderP256, 16)
			return b64(`{"alg":"ES256","typ":"at+jwt","kid":"ec"}`) + "." + b64(claims) + "." + base64.RawURLEncoding.EncodeToString(append(n.Bytes(), n.Bytes()...))
		}},
		"es256-der": {expect: identity.CodeSignature, why: "a signature in DER", make: func(keys) string {
			return b64(`{"alg":"ES256","typ":"at+jwt","kid":"ec"}`) + "." + b64(claims) + ".MEUCIQDxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxAA"
		}},
	}
}

func hostileHeaders() map[string]recipe {
	return map[string]recipe{
		"alg-none":         {expect: identity.CodeAlgorithm, why: "no signature wanted", make: func(keys) string { return b64(swap(header, "RS256", "none")) + "." + b64(claims) + "." }},
		"alg-none-case":    {expect: identity.CodeAlgorithm, why: "no signature wanted, in disguise", make: func(keys) string { return b64(swap(header, "RS256", "nOnE")) + "." + b64(claims) + "." }},
		"alg-hs256":        {expect: identity.CodeAlgorithm, why: "the public key as an HMAC secret", make: withHeader(`RS256`, `HS256`)},
		"alg-rs512":        {expect: identity.CodeAlgorithm, why: "not one of this issuer's", make: withHeader(`"RS256"`, `"RS512"`)},
		"alg-small":        {expect: identity.CodeAlgorithm, why: "algorithms have case", make: withHeader(`RS256`, `rs256`)},
		"alg-missing":      {expect: identity.CodeMalformed, why: "no algorithm", make: withHeader(`"alg":"RS256",`, ``)},
		"alg-number":       {expect: identity.CodeMalformed, why: "an algorithm that is no text", make: withHeader(`"RS256"`, `256`)},
		"alg-of-other-key": {expect: identity.CodeAlgorithm, why: "an RSA algorithm with the id of an EC key", make: withHeader(`"kid":"rsa"`, `"kid":"ec"`)},
		"alg-not-the-keys": {expect: identity.CodeAlgorithm, why: "PS256 with a key that is for RS256 only", make: plain(`{"alg":"PS256","typ":"at+jwt","kid":"rsa-rs256"}`, claims)},
		"kid-unknown":      {expect: identity.CodeKeyUnknown, why: "nobody has this key", make: withHeader(`"kid":"rsa"`, `"kid":"elsewhere"`)},
		"kid-missing":      {expect: identity.CodeKeyUnknown, why: "no key is named", make: withHeader(`,"kid":"rsa"`, ``)},
		"kid-path":         {expect: identity.CodeKeyUnknown, why: "a kid that is a path", make: withHeader(`"kid":"rsa"`, `"kid":"../../dev/null"`)},
		"kid-number":       {expect: identity.CodeMalformed, why: "a kid that is no text", make: withHeader(`"kid":"rsa"`, `"kid":1`)},
		"kid-empty":        {expect: identity.CodeMalformed, why: "an empty kid", make: withHeader(`"kid":"rsa"`, `"kid":""`)},
		"kid-weak-rsa":     {expect: identity.CodeKeyUnknown, why: "a key of 1024 bits is no key", make: withHeader(`"kid":"rsa"`, `"kid":"rsa-1024"`)},
		"kid-encryption":   {expect: identity.CodeKeyUnknown, why: "a key for encryption is no key for signatures", make: withHeader(`"kid":"rsa"`, `"kid":"rsa-enc"`)},
		"kid-symmetric":    {expect: identity.CodeKeyUnknown, why: "a secret in a public set is no key", make: withHeader(`"kid":"rsa"`, `"kid":"oct"`)},
		"typ-missing":      {expect: identity.CodeType, why: "no type", make: withHeader(`"typ":"at+jwt",`, ``)},
		"typ-id-token":     {expect: identity.CodeType, why: "a token of another type", make: withHeader(`at+jwt`, `logout+jwt`)},
		"typ-number":       {expect: identity.CodeMalformed, why: "a type that is no text", make: withHeader(`"at+jwt"`, `1`)},
		"crit":             {expect: identity.CodeCritical, why: "an extension", make: withHeader(`"typ"`, `"crit":["exp"],"typ"`)},
		"crit-b64":         {expect: identity.CodeCritical, why: "an unencoded payload (RFC 7797)", make: withHeader(`"typ"`, `"b64":false,"crit":["b64"],"typ"`)},
		"b64-alone":        {expect: identity.CodeCritical, why: "an unencoded payload without crit", make: withHeader(`"typ"`, `"b64":false,"typ"`)},
		"jku":              {expect: identity.CodeHeaderKey, why: "brings an address for keys", make: withHeader(`"typ"`, `"jku":"http://169.254.169.254/keys","typ"`)},
		"x5u":              {expect: identity.CodeHeaderKey, why: "brings an address for a certificate", make: withHeader(`"typ"`, `"x5u":"https://evil.test","typ"`)},
		"x5c":              {expect: identity.CodeHeaderKey, why: "brings a certificate", make: withHeader(`"typ"`, `"x5c":["MIIB"],"typ"`)},
		"jwk":              {expect: identity.CodeHeaderKey, why: "brings a key", make: withHeader(`"typ"`, `"jwk":{"kty":"oct","k":"AA"},"typ"`)},
		"zip":              {expect: identity.CodeEncrypted, why: "compressed", make: withHeader(`"typ"`, `"zip":"DEF","typ"`)},
	}
}

func hostileClaims() map[string]recipe {
	return map[string]recipe{
		"expired":           {expect: identity.CodeExpired, why: "long ago", make: withClaims(`1795349100`, at(-3600))},
		"expired-just":      {expect: identity.CodeExpired, why: "the leeway is over", make: withClaims(`1795349100`, at(-60))},
		"exp-missing":       {expect: identity.CodeMalformed, why: "would be good for ever", make: withClaims(`"exp":1795349100,`, ``)},
		"exp-text":          {expect: identity.CodeMalformed, why: "a time that is a text", make: withClaims(`1795349100`, `"1795349100"`)},
		"exp-null":          {expect: identity.CodeMalformed, why: "no time", make: withClaims(`1795349100`, `null`)},
		"exp-huge":          {expect: identity.CodeMalformed, why: "beyond every calendar", make: withClaims(`1795349100`, `1e300`)},
		"exp-negative":      {expect: identity.CodeMalformed, why: "before 1970", make: withClaims(`1795349100`, `-1`)},
		"nbf-future":        {expect: identity.CodeNotYetValid, why: "valid in two minutes", make: withClaims(`"jti"`, `"nbf":`+at(120)+`,"jti"`)},
		"iat-future":        {expect: identity.CodeNotYetValid, why: "issued in two minutes", make: withClaims(`1795348500`, at(120))},
		"auth-time-future":  {expect: identity.CodeNotYetValid, why: "would outlive every not_before", make: withClaims(`1795340000`, at(3600))},
		"iss-missing":       {expect: identity.CodeIssuer, why: "nobody's token", make: withClaims(`"iss":"https://issuer.test",`, ``)},
		"iss-unknown":       {expect: identity.CodeIssuer, why: "somebody else's token", make: withClaims(`https://issuer.test`, `https://evil.test`)},
		"iss-slash":         {expect: identity.CodeIssuer, why: "issuers are compared exactly", make: withClaims(`https://issuer.test`, `https://issuer.test/`)},
		"iss-list":          {expect: identity.CodeIssuer, why: "an issuer that is no text", make: withClaims(`"https://issuer.test"`, `["https://issuer.test"]`)},
		"aud-other":         {expect: identity.CodeAudience, why: "for somebody else", make: withClaims(`https://api.test`, `https://other.test`)},
		"aud-missing":       {expect: identity.CodeAudience, why: "for nobody", make: withClaims(`"aud":"https://api.test",`, ``)},
		"aud-empty":         {expect: identity.CodeAudience, why: "for nobody", make: withClaims(`"https://api.test"`, `[]`)},
		"aud-number":        {expect: identity.CodeMalformed, why: "an audience that is no text", make: withClaims(`"https://api.test"`, `["https://api.test",1]`)},
		"aud-prefix":        {expect: identity.CodeAudience, why: "audiences are compared exactly", make: withClaims(`https://api.test`, `https://api.test.evil`)},
		"sub-missing":       {expect: identity.CodeMalformed, why: "nobody acts", make: withClaims(`"sub":"alice",`, ``)},
		"sub-empty":         {expect: identity.CodeMalformed, why: "nobody acts", make: withClaims(`alice`, ``)},
		"sub-number":        {expect: identity.CodeMalformed, why: "a subject that is no text", make: withClaims(`"alice"`, `7`)},
		"sub-long":          {expect: identity.CodeMalformed, why: "a subject over its limit", make: withClaims(`alice`, strings.Repeat("x", 1025))},
		"scope-object":      {expect: identity.CodeMalformed, why: "scopes that are an object", make: withClaims(`"read write"`, `{"read":true}`)},
		"scope-many":        {expect: identity.CodeMalformed, why: "too many scopes", make: withClaims(`read write`, strings.TrimSpace(strings.Repeat("x ", 200)))},
		"bound":             {expect: identity.CodeBound, why: "bound to a DPoP key, shown as a bearer token", make: withClaims(`"jti"`, `"cnf":{"jkt":"abc"},"jti"`)},
		"bound-certificate": {expect: identity.CodeBound, why: "bound to a certificate, shown as a bearer token", make: withClaims(`"jti"`, `"cnf":{"x5t#S256":"abc"},"jti"`)},
	}
}

// flip changes the first character of a signature.
func flip(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

// nextChar spells the last character of a signature with its free bits set.
func nextChar(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)|1])
}
