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
	maps.Copy(all, hostileClaims())
	return all
}

func hostileForms() map[string]recipe {
	return map[string]recipe{
		"two-parts":          {identity.CodeMalformed, "no signature part", tail(func(s, _ string) string { return s })},
		"four-parts":         {identity.CodeMalformed, "one part too many", tail(func(s, g string) string { return s + "." + g + "." })},
		"jwe":                {identity.CodeEncrypted, "five parts", func(keys) string { return b64(`{"alg":"RSA-OAEP","enc":"A256GCM"}`) + ".AAAA.AAAA.AAAA.AAAA" }},
		"jwe-header":         {identity.CodeEncrypted, "an encrypted token's header in a signed one", withHeader(`"typ"`, `"enc":"A256GCM","typ"`)},
		"pbes2-bomb":         {identity.CodeEncrypted, "a work factor", withHeader(`"typ"`, `"p2c":2147483647,"typ"`)},
		"json-serialisation": {identity.CodeMalformed, "not the compact form", func(keys) string { return `{"payload":"e30","signatures":[]}` }},
		"empty-header":       {identity.CodeMalformed, "nothing before the first dot", func(keys) string { return ".e30.AAAA" }},
		"empty-payload":      {identity.CodeMalformed, "nothing between the dots", resigned(header, b64(header)+".")},
		"20-kib":             {identity.CodeTooLarge, "over 16 KiB", withClaims(`alice`, strings.Repeat("x", 20<<10))},
		"header-large":       {identity.CodeTooLarge, "a header over 2 KiB", withHeader(`"typ"`, `"x":"`+strings.Repeat("x", 2<<10)+`","typ"`)},
		"padding":            {identity.CodeMalformed, "base64 with padding", tail(func(s, g string) string { return s + "." + g + "==" })},
		"standard-alphabet":  {identity.CodeMalformed, "plus and slash", tail(func(s, g string) string { return s + ".+/" + g[2:] })},
		"trailing-bits":      {identity.CodeMalformed, "a signature in a second spelling", tail(func(s, g string) string { return s + "." + g[:len(g)-1] + nextChar(g[len(g)-1]) })},
		"header-bits":        {identity.CodeMalformed, "a header in a second spelling", resigned(header, nonCanonical(header)+"."+b64(claims))},
		"payload-bits":       {identity.CodeMalformed, "claims in a second spelling", resigned(header, b64(header)+"."+nonCanonical(claims))},
		"header-no-json":     {identity.CodeMalformed, "a header that is no JSON", plain(`"RS256" `, claims)},
		"header-array":       {identity.CodeMalformed, "a header that is a list", plain(`["RS256"]`, claims)},
		"payload-no-object":  {identity.CodeMalformed, "claims that are a list", plain(header, `[`+claims+`]`)},
		"payload-behind":     {identity.CodeMalformed, "something behind the claims", plain(header, claims+"{}")},
		"payload-bom":        {identity.CodeMalformed, "a byte order mark", plain(header, "\ufeff"+claims)},
		"payload-no-utf8":    {identity.CodeMalformed, "bytes that are not UTF-8", withClaims(`alice`, "al\xffice")},
		"lone-surrogate":     {identity.CodeMalformed, "half a character", withClaims(`alice`, `\ud800`)},
		"control-character":  {identity.CodeMalformed, "a line feed in a text", withClaims(`alice`, "al\nice")},
		"trailing-comma":     {identity.CodeMalformed, "lenient JSON", withClaims(`"otp"]}`, `"otp"],}`)},
		"comment":            {identity.CodeMalformed, "lenient JSON", withClaims(`"jti"`, `/**/"jti"`)},
		"nan":                {identity.CodeMalformed, "lenient JSON", withClaims(`1795349100`, `NaN`)},
		"leading-zero":       {identity.CodeMalformed, "lenient JSON", withClaims(`1795349100`, `01795349100`)},
		"too-deep":           {identity.CodeMalformed, "nested too deeply", withClaims(`"jti"`, `"x":`+nested(9)+`,"jti"`)},
		"stack-bomb":         {identity.CodeMalformed, "thousands of brackets", withClaims(`"jti"`, `"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`,"jti"`)},
		"too-many-members":   {identity.CodeMalformed, "more members than anybody needs", withClaims(`"jti"`, many(600)+`"jti"`)},
		"duplicate-claim":    {identity.CodeDuplicateMember, "two subjects", withClaims(`"jti"`, `"sub":"bob","jti"`)},
		"duplicate-escaped":  {identity.CodeDuplicateMember, "two subjects, one in disguise", withClaims(`"jti"`, `"s\u0075b":"bob","jti"`)},
		"duplicate-deep":     {identity.CodeDuplicateMember, "twice the same name, far down", withClaims(`"jti"`, `"x":[{"a":{"b":1,"b":2}}],"jti"`)},
		"duplicate-many":     {identity.CodeDuplicateMember, "behind many other names", withClaims(`"jti"`, many(100)+`"m3":1,"jti"`)},
		"duplicate-alg":      {identity.CodeDuplicateMember, "two algorithms", withHeader(`"typ"`, `"alg":"none","typ"`)},
		"signature-empty":    {identity.CodeSignature, "nothing behind the last dot", tail(func(s, _ string) string { return s + "." })},
		"signature-flipped":  {identity.CodeSignature, "one bit is wrong", tail(func(s, g string) string { return s + "." + flip(g) })},
		"signature-of-other": {identity.CodeSignature, "the signature of another token", func(k keys) string {
			a, b := k.sign(header, claims), k.sign(header, swap(claims, "alice", "mallory"))
			return b[:strings.LastIndexByte(b, '.')] + a[strings.LastIndexByte(a, '.'):]
		}},
		"signature-other-key": {identity.CodeSignature, "signed by a key that is not in the set, under a kid that is", func(k keys) string {
			return k.signRaw(b64(header)+"."+b64(claims), `"RS256" "rsa-other"`)
		}},
		"es256-zero": {identity.CodeSignature, "r and s are 0 (psychic signatures)", func(keys) string {
			return b64(`{"alg":"ES256","typ":"at+jwt","kid":"ec"}`) + "." + b64(claims) + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
		}},
		"es256-order": {identity.CodeSignature, "r and s are the curve's order", func(keys) string {
			n, _ := new(big.Int).SetString(orderP256, 16)
			return b64(`{"alg":"ES256","typ":"at+jwt","kid":"ec"}`) + "." + b64(claims) + "." + base64.RawURLEncoding.EncodeToString(append(n.Bytes(), n.Bytes()...))
		}},
		"es256-der": {identity.CodeSignature, "a signature in DER", func(keys) string {
			return b64(`{"alg":"ES256","typ":"at+jwt","kid":"ec"}`) + "." + b64(claims) + ".MEUCIQDxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxAA"
		}},
	}
}

func hostileHeaders() map[string]recipe {
	return map[string]recipe{
		"alg-none":         {identity.CodeAlgorithm, "no signature wanted", func(keys) string { return b64(swap(header, "RS256", "none")) + "." + b64(claims) + "." }},
		"alg-none-case":    {identity.CodeAlgorithm, "no signature wanted, in disguise", func(keys) string { return b64(swap(header, "RS256", "nOnE")) + "." + b64(claims) + "." }},
		"alg-hs256":        {identity.CodeAlgorithm, "the public key as an HMAC secret", withHeader(`RS256`, `HS256`)},
		"alg-rs512":        {identity.CodeAlgorithm, "not one of this issuer's", withHeader(`"RS256"`, `"RS512"`)},
		"alg-small":        {identity.CodeAlgorithm, "algorithms have case", withHeader(`RS256`, `rs256`)},
		"alg-missing":      {identity.CodeMalformed, "no algorithm", withHeader(`"alg":"RS256",`, ``)},
		"alg-number":       {identity.CodeMalformed, "an algorithm that is no text", withHeader(`"RS256"`, `256`)},
		"alg-of-other-key": {identity.CodeAlgorithm, "an RSA algorithm with the id of an EC key", withHeader(`"kid":"rsa"`, `"kid":"ec"`)},
		"alg-not-the-keys": {identity.CodeAlgorithm, "PS256 with a key that is for RS256 only", plain(`{"alg":"PS256","typ":"at+jwt","kid":"rsa-rs256"}`, claims)},
		"kid-unknown":      {identity.CodeKeyUnknown, "nobody has this key", withHeader(`"kid":"rsa"`, `"kid":"elsewhere"`)},
		"kid-missing":      {identity.CodeKeyUnknown, "no key is named", withHeader(`,"kid":"rsa"`, ``)},
		"kid-path":         {identity.CodeKeyUnknown, "a kid that is a path", withHeader(`"kid":"rsa"`, `"kid":"../../dev/null"`)},
		"kid-number":       {identity.CodeMalformed, "a kid that is no text", withHeader(`"kid":"rsa"`, `"kid":1`)},
		"kid-empty":        {identity.CodeMalformed, "an empty kid", withHeader(`"kid":"rsa"`, `"kid":""`)},
		"kid-weak-rsa":     {identity.CodeKeyUnknown, "a key of 1024 bits is no key", withHeader(`"kid":"rsa"`, `"kid":"rsa-1024"`)},
		"kid-encryption":   {identity.CodeKeyUnknown, "a key for encryption is no key for signatures", withHeader(`"kid":"rsa"`, `"kid":"rsa-enc"`)},
		"kid-symmetric":    {identity.CodeKeyUnknown, "a secret in a public set is no key", withHeader(`"kid":"rsa"`, `"kid":"oct"`)},
		"typ-missing":      {identity.CodeType, "no type", withHeader(`"typ":"at+jwt",`, ``)},
		"typ-id-token":     {identity.CodeType, "a token of another type", withHeader(`at+jwt`, `logout+jwt`)},
		"typ-number":       {identity.CodeMalformed, "a type that is no text", withHeader(`"at+jwt"`, `1`)},
		"crit":             {identity.CodeCritical, "an extension", withHeader(`"typ"`, `"crit":["exp"],"typ"`)},
		"crit-b64":         {identity.CodeCritical, "an unencoded payload (RFC 7797)", withHeader(`"typ"`, `"b64":false,"crit":["b64"],"typ"`)},
		"b64-alone":        {identity.CodeCritical, "an unencoded payload without crit", withHeader(`"typ"`, `"b64":false,"typ"`)},
		"jku":              {identity.CodeHeaderKey, "brings an address for keys", withHeader(`"typ"`, `"jku":"http://169.254.169.254/keys","typ"`)},
		"x5u":              {identity.CodeHeaderKey, "brings an address for a certificate", withHeader(`"typ"`, `"x5u":"https://evil.test","typ"`)},
		"x5c":              {identity.CodeHeaderKey, "brings a certificate", withHeader(`"typ"`, `"x5c":["MIIB"],"typ"`)},
		"jwk":              {identity.CodeHeaderKey, "brings a key", withHeader(`"typ"`, `"jwk":{"kty":"oct","k":"AA"},"typ"`)},
		"zip":              {identity.CodeEncrypted, "compressed", withHeader(`"typ"`, `"zip":"DEF","typ"`)},
	}
}

func hostileClaims() map[string]recipe {
	return map[string]recipe{
		"expired":           {identity.CodeExpired, "long ago", withClaims(`1795349100`, at(-3600))},
		"expired-just":      {identity.CodeExpired, "the leeway is over", withClaims(`1795349100`, at(-60))},
		"exp-missing":       {identity.CodeMalformed, "would be good for ever", withClaims(`"exp":1795349100,`, ``)},
		"exp-text":          {identity.CodeMalformed, "a time that is a text", withClaims(`1795349100`, `"1795349100"`)},
		"exp-null":          {identity.CodeMalformed, "no time", withClaims(`1795349100`, `null`)},
		"exp-huge":          {identity.CodeMalformed, "beyond every calendar", withClaims(`1795349100`, `1e300`)},
		"exp-negative":      {identity.CodeMalformed, "before 1970", withClaims(`1795349100`, `-1`)},
		"nbf-future":        {identity.CodeNotYetValid, "valid in two minutes", withClaims(`"jti"`, `"nbf":`+at(120)+`,"jti"`)},
		"iat-future":        {identity.CodeNotYetValid, "issued in two minutes", withClaims(`1795348500`, at(120))},
		"auth-time-future":  {identity.CodeNotYetValid, "would outlive every not_before", withClaims(`1795340000`, at(3600))},
		"iss-missing":       {identity.CodeIssuer, "nobody's token", withClaims(`"iss":"https://issuer.test",`, ``)},
		"iss-unknown":       {identity.CodeIssuer, "somebody else's token", withClaims(`https://issuer.test`, `https://evil.test`)},
		"iss-slash":         {identity.CodeIssuer, "issuers are compared exactly", withClaims(`https://issuer.test`, `https://issuer.test/`)},
		"iss-list":          {identity.CodeIssuer, "an issuer that is no text", withClaims(`"https://issuer.test"`, `["https://issuer.test"]`)},
		"aud-other":         {identity.CodeAudience, "for somebody else", withClaims(`https://api.test`, `https://other.test`)},
		"aud-missing":       {identity.CodeAudience, "for nobody", withClaims(`"aud":"https://api.test",`, ``)},
		"aud-empty":         {identity.CodeAudience, "for nobody", withClaims(`"https://api.test"`, `[]`)},
		"aud-number":        {identity.CodeMalformed, "an audience that is no text", withClaims(`"https://api.test"`, `["https://api.test",1]`)},
		"aud-prefix":        {identity.CodeAudience, "audiences are compared exactly", withClaims(`https://api.test`, `https://api.test.evil`)},
		"sub-missing":       {identity.CodeMalformed, "nobody acts", withClaims(`"sub":"alice",`, ``)},
		"sub-empty":         {identity.CodeMalformed, "nobody acts", withClaims(`alice`, ``)},
		"sub-number":        {identity.CodeMalformed, "a subject that is no text", withClaims(`"alice"`, `7`)},
		"sub-long":          {identity.CodeMalformed, "a subject over its limit", withClaims(`alice`, strings.Repeat("x", 1025))},
		"scope-object":      {identity.CodeMalformed, "scopes that are an object", withClaims(`"read write"`, `{"read":true}`)},
		"scope-many":        {identity.CodeMalformed, "too many scopes", withClaims(`read write`, strings.TrimSpace(strings.Repeat("x ", 200)))},
		"bound":             {identity.CodeBound, "bound to a DPoP key, shown as a bearer token", withClaims(`"jti"`, `"cnf":{"jkt":"abc"},"jti"`)},
		"bound-certificate": {identity.CodeBound, "bound to a certificate, shown as a bearer token", withClaims(`"jti"`, `"cnf":{"x5t#S256":"abc"},"jti"`)},
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
