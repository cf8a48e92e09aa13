package identity_test

import (
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// hostileJSON are claims that only a lenient parser reads.
func hostileJSON() map[string]recipe {
	all := make(map[string]recipe)
	for name, value := range map[string]string{
		"plus": `+1`, "no-integer": `.5`, "no-fraction": `1.`, "no-exponent": `1e`, "hex": `0x10`, "minus": `-`, "infinity": `Infinity`, "minus-infinity": `-Infinity`,
		"octal": `017`, "separator": `1_000`, "capital-true": `True`, "undefined": `undefined`, "single-quotes": `'x'`, "backtick": "`x`", "bad-escape": `"\x41"`, "short-escape": `"\u12"`,
		"no-hex": `"\u12g4"`, "low-surrogate": `"\udc00"`, "surrogates-turned": `"\ude00\ud83d"`, "open-text": `"x`, "open-list": `[1`, "open-object": `{"a":1`, "double-comma": `[1,,2]`, "list-comma": `[1,]`,
		"no-colon": `{"a" 1}`, "no-name": `{:1}`, "bare-name": `{a:1}`, "number-name": `{1:1}`, "nothing": ``, "raw-nul": "\"\x00\"", "raw-tab": "\"\t\"", "form-feed": "\f1",
		"no-break-space": "\u00a01", "overlong": "\"\xc0\xaf\"", "utf8-surrogate": "\"\xed\xa0\x80\"", "beyond-unicode": "\"\xf4\x90\x80\x80\"", "half-character": "\"\xc3\"", "escaped-end": `"x\"`,
	} {
		all["value-"+name] = recipe{expect: identity.CodeMalformed, why: "only a lenient parser reads this", make: with("x", value)}
	}
	return all
}

// hostileTypes are members of a type that they must not have.
func hostileTypes() map[string]recipe {
	all := make(map[string]recipe)
	for name, list := range map[string][]string{
		"exp": {`true`, `[1795349100]`, `{}`}, "nbf": {`"0"`, `null`, `true`}, "iat": {`"1795348500"`, `-1`, `1e300`}, "auth_time": {`"x"`, `[]`},
		"sub": {`null`, `["alice"]`, `true`}, "jti": {`7`, `null`}, "sid": {`7`, `{}`}, "client_id": {`7`, `["web"]`}, "acr": {`1`, `["mfa"]`}, "amr": {`1`, `["pwd",1]`, `{}`},
		"scope": {`true`, `7`}, "aud": {`null`, `true`, `{"https://api.test":1}`, `[["https://api.test"]]`}, "act": {`"bob"`, `[]`, `{}`, `{"sub":7}`},
	} {
		for i, value := range list {
			all["type-"+strings.ReplaceAll(name, "_", "-")+"-"+string(rune('a'+i))] = recipe{expect: identity.CodeMalformed, why: name + " is of another type", make: with(name, value)}
		}
	}
	maps.Copy(all, map[string]recipe{
		"type-iss-number":  {expect: identity.CodeIssuer, why: "an issuer that is no text", make: with("iss", `7`)},
		"type-iss-null":    {expect: identity.CodeIssuer, why: "an issuer that is null", make: with("iss", `null`)},
		"type-alg-list":    {expect: identity.CodeMalformed, why: "algorithms in a list", make: head("alg", `["RS256"]`)},
		"type-alg-null":    {expect: identity.CodeMalformed, why: "an algorithm that is null", make: head("alg", `null`)},
		"type-typ-list":    {expect: identity.CodeMalformed, why: "types in a list", make: head("typ", `["at+jwt"]`)},
		"type-typ-null":    {expect: identity.CodeMalformed, why: "a type that is null", make: head("typ", `null`)},
		"type-kid-null":    {expect: identity.CodeMalformed, why: "a kid that is null", make: head("kid", `null`)},
		"type-kid-list":    {expect: identity.CodeMalformed, why: "kids in a list", make: head("kid", `["rsa"]`)},
		"jti-long":         {expect: identity.CodeMalformed, why: "over its limit", make: with("jti", `"`+strings.Repeat("x", 1025)+`"`)},
		"sid-long":         {expect: identity.CodeMalformed, why: "over its limit", make: with("sid", `"`+strings.Repeat("x", 1025)+`"`)},
		"amr-many":         {expect: identity.CodeMalformed, why: "over its limit", make: with("amr", `["x"`+strings.Repeat(`,"x"`, 128)+`]`)},
		"aud-many":         {expect: identity.CodeMalformed, why: "over its limit", make: with("aud", `["https://api.test"`+strings.Repeat(`,"x"`, 128)+`]`)},
		"kid-long":         {expect: identity.CodeMalformed, why: "over its limit", make: head("kid", `"`+strings.Repeat("x", 1025)+`"`)},
		"header-behind":    {expect: identity.CodeMalformed, why: "something behind the header", make: plain(header+" {}", claims)},
		"header-bom":       {expect: identity.CodeMalformed, why: "a byte order mark", make: plain("\ufeff"+header, claims)},
		"header-deep":      {expect: identity.CodeMalformed, why: "nested too deeply", make: head("x", nested(9))},
		"header-duplicate": {expect: identity.CodeDuplicateMember, why: "two key ids", make: withHeader(`"typ"`, `"kid":"ed","typ"`)},
		"header-typ-twice": {expect: identity.CodeDuplicateMember, why: "two types", make: withHeader(`"kid"`, `"typ":"JWT","kid"`)},
		"duplicate-exp":    {expect: identity.CodeDuplicateMember, why: "two ends", make: withClaims(`"jti"`, `"exp":9999999999,"jti"`)},
		"duplicate-same":   {expect: identity.CodeDuplicateMember, why: "twice the same", make: withClaims(`"jti"`, `"sub":"alice","jti"`)},
		"duplicate-cnf":    {expect: identity.CodeDuplicateMember, why: "two keys in one confirmation", make: with("cnf", `{"jkt":"a","jkt":"b"}`)},
		"duplicate-utf16":  {expect: identity.CodeDuplicateMember, why: "one name in two spellings", make: withClaims(`"jti"`, `"\ud83d\ude00":1,"😀":2,"jti"`)},
		"payload-utf16":    {expect: identity.CodeMalformed, why: "UTF-16", make: plain(header, utf16Text(claims))},
		"payload-text":     {expect: identity.CodeMalformed, why: "claims that are a text", make: plain(header, `"alice"`)},
		"payload-null":     {expect: identity.CodeMalformed, why: "claims that are null", make: plain(header, `null`)},
		"payload-spaces":   {expect: identity.CodeMalformed, why: "claims that are blank", make: plain(header, "  ")},
		"header-spaces":    {expect: identity.CodeMalformed, why: "a header that is blank", make: plain(`"RS256"`+"  ", claims)},
		"token-space":      {expect: identity.CodeMalformed, why: "a space within", make: tail(func(s, g string) string { return s + " ." + g })},
		"token-comma":      {expect: identity.CodeMalformed, why: "two tokens", make: tail(func(s, g string) string { return s + "." + g + "," + s + "." + g })},
		"token-escaped":    {expect: identity.CodeMalformed, why: "dots that are escaped", make: tail(func(s, g string) string { return strings.ReplaceAll(s, ".", "%2E") + "%2E" + g })},
		"token-quoted":     {expect: identity.CodeMalformed, why: "in quotes", make: tail(func(s, g string) string { return `"` + s + "." + g + `"` })},
		"token-dots":       {expect: identity.CodeMalformed, why: "dots alone", make: func(keys) string { return ".." }},
		"token-none":       {expect: identity.CodeMalformed, why: "no dot", make: func(keys) string { return "opaque" }},
		"token-tab":        {expect: identity.CodeMalformed, why: "a tab within", make: tail(func(s, g string) string { return s + ".\t" + g })},
		"detached": {expect: identity.CodeMalformed, why: "a detached payload (RFC 7515 appendix F)", make: func(k keys) string {
			t := k.sign(header, claims)
			at := strings.IndexByte(t, '.')
			return t[:at+1] + t[strings.LastIndexByte(t, '.'):]
		}},
		"unknown-kid-space": {expect: identity.CodeKeyUnknown, why: "key ids are compared exactly", make: head("kid", `"rsa "`)},
		"unknown-kid-case":  {expect: identity.CodeKeyUnknown, why: "key ids have case", make: head("kid", `"RSA"`)},
		"unknown-kid-nul":   {expect: identity.CodeKeyUnknown, why: "a key id with an end in it", make: head("kid", `"rsa\u0000"`)},
		"unknown-kid-sql":   {expect: identity.CodeKeyUnknown, why: "an injection", make: head("kid", `"rsa' UNION SELECT 'x"`)},
	})
	return all
}

// utf16Text is ASCII text in UTF-16.
func utf16Text(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(s[i])
		b.WriteByte(0)
	}
	return b.String()
}

// hostileKinds are tokens of another kind than access tokens.
func hostileKinds() map[string]recipe {
	all := make(map[string]recipe)
	jwt := put(header, "typ", `"JWT"`)
	for name, member := range map[string][2]string{
		"id-token-nonce": {"nonce", `"n"`}, "id-token-at-hash": {"at_hash", `"x"`}, "id-token-c-hash": {"c_hash", `"x"`}, "id-token-keycloak": {"typ", `"ID"`},
		"refresh-keycloak": {"typ", `"Refresh"`}, "offline-keycloak": {"typ", `"Offline"`},
		"logout-token": {"events", `{"http://schemas.openid.net/event/backchannel-logout":{}}`}, "security-event": {"events", `{"https://schemas.openid.net/secevent/caep/event-type/session-revoked":{}}`},
	} {
		all["kind-"+name] = recipe{expect: identity.CodeType, why: "a token of another kind under typ JWT", make: plain(jwt, put(claims, member[0], member[1]))}
	}
	for name, typ := range map[string]string{
		"dpop": "dpop+jwt", "secevent": "secevent+jwt", "logout": "logout+jwt", "introspection": "token-introspection+jwt", "empty": "", "prefix": "at+jwt2", "application-twice": "application/application/at+jwt",
		"spaces": " at+jwt", "jose": "JOSE", "cut": "at+jw", "image": "image/at+jwt",
	} {
		all["typ-"+name] = recipe{expect: identity.CodeType, why: "a token of another type", make: head("typ", `"`+typ+`"`)}
	}
	for name, alg := range map[string]string{
		"hs384": "HS384", "hs512": "HS512", "es256k": "ES256K", "dir": "dir", "pbes2": "PBES2-HS256+A128KW", "rsa-oaep": "RSA-OAEP", "rs1": "RS1", "space": "RS256 ", "nul": `RS256\u0000`, "empty": "",
		"none-capital": "NONE", "none-space": "none ",
	} {
		all["alg-"+name] = recipe{expect: identity.CodeAlgorithm, why: "an algorithm that nobody asked for", make: plain(put(header, "alg", `"`+alg+`"`), claims)}
	}
	maps.Copy(all, map[string]recipe{
		"crit-empty":   {expect: identity.CodeCritical, why: "no extension, which is forbidden (RFC 7515 4.1.11)", make: head("crit", `[]`)},
		"crit-null":    {expect: identity.CodeCritical, why: "an extension that is null", make: head("crit", `null`)},
		"crit-unknown": {expect: identity.CodeCritical, why: "an extension that nobody knows", make: head("crit", `["http://evil.test/x"]`)},
		"b64-true":     {expect: identity.CodeCritical, why: "an extension that changes nothing", make: head("b64", `true`)},
		"jwk-null":     {expect: identity.CodeHeaderKey, why: "a key that is null", make: head("jwk", `null`)},
		"jwk-own": {expect: identity.CodeHeaderKey, why: "the issuer's own key, brought along", make: func(k keys) string {
			return k.sign(put(header, "jwk", `{"kty":"RSA","n":"`+b64bytes(k.rsa.N.Bytes())+`","e":"AQAB"}`), claims)
		}},
		"epk": {expect: identity.CodeEncrypted, why: "a key of an encrypted token", make: head("epk", `{}`)},
		"p2s": {expect: identity.CodeEncrypted, why: "a salt", make: head("p2s", `"AA"`)},
	})
	return all
}

// hostileSignatures are forged in other ways.
func hostileSignatures() map[string]recipe {
	es := `{"alg":"ES256","typ":"at+jwt","kid":"ec"}`
	ed := `{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}`
	forged := func(head string, sig func(k keys, good []byte) []byte) func(keys) string {
		return func(k keys) string {
			token := k.sign(head, claims)
			at := strings.LastIndexByte(token, '.') + 1
			return token[:at] + b64bytes(sig(k, must(decode(token[at:]))))
		}
	}
	n, _ := new(big.Int).SetString(orderP256, 16)
	why := "a signature that is none"
	all := make(map[string]recipe)
	for name, f := range map[string]func(keys) string{
		"rs256-zeros":        forged(header, func(_ keys, g []byte) []byte { return make([]byte, len(g)) }),
		"rs256-ones":         forged(header, func(_ keys, g []byte) []byte { return slices.Repeat([]byte{255}, len(g)) }),
		"rs256-one":          forged(header, func(_ keys, g []byte) []byte { x := make([]byte, len(g)); x[len(x)-1] = 1; return x }),
		"rs256-modulus":      forged(header, func(k keys, _ []byte) []byte { return k.rsa.N.Bytes() }),
		"rs256-short":        forged(header, func(_ keys, g []byte) []byte { return g[:len(g)-1] }),
		"rs256-long":         forged(header, func(_ keys, g []byte) []byte { return append(g, 0) }),
		"rs256-before":       forged(header, func(_ keys, g []byte) []byte { return append([]byte{0}, g...) }),
		"rs256-twice":        forged(header, func(_ keys, g []byte) []byte { return append(g, g...) }),
		"rs256-plus-modulus": forged(header, func(k keys, g []byte) []byte { return new(big.Int).Add(new(big.Int).SetBytes(g), k.rsa.N).Bytes() }),
		"rs256-by-ps256":     func(k keys) string { return k.signRaw(b64(header)+"."+b64(claims), `"PS256"`) },
		"ps256-by-rs256":     func(k keys) string { return k.signRaw(b64(put(header, "alg", `"PS256"`))+"."+b64(claims), `"RS256"`) },
		"rs256-by-ed":        func(k keys) string { return k.signRaw(b64(header)+"."+b64(claims), `"EdDSA"`) },
		"es256-r-zero":       forged(es, func(_ keys, g []byte) []byte { clear(g[:32]); return g }),
		"es256-s-zero":       forged(es, func(_ keys, g []byte) []byte { clear(g[32:]); return g }),
		"es256-s-plus-order": forged(es, func(_ keys, g []byte) []byte {
			return append(g[:32], new(big.Int).Add(new(big.Int).SetBytes(g[32:]), n).Bytes()...)
		}),
		"es256-s-order":      forged(es, func(_ keys, g []byte) []byte { return append(g[:32], n.Bytes()...) }),
		"es256-turned":       forged(es, func(_ keys, g []byte) []byte { return append(g[32:64:64], g[:32]...) }),
		"es256-short":        forged(es, func(_ keys, g []byte) []byte { return g[:63] }),
		"es256-long":         forged(es, func(_ keys, g []byte) []byte { return append(g, 0) }),
		"es256-96":           forged(es, func(_ keys, g []byte) []byte { return append(g, g[:32]...) }),
		"es256-one":          forged(es, func(keys, []byte) []byte { return []byte{1} }),
		"eddsa-zeros":        forged(ed, func(_ keys, g []byte) []byte { return make([]byte, len(g)) }),
		"eddsa-s-plus-order": forged(ed, func(_ keys, g []byte) []byte { return append(g[:32], plusOrder25519(g[32:])...) }),
		"eddsa-short":        forged(ed, func(_ keys, g []byte) []byte { return g[:63] }),
		"eddsa-long":         forged(ed, func(_ keys, g []byte) []byte { return append(g, 0) }),
		"header-after": func(k keys) string {
			t := k.sign(header, claims)
			return b64(put(header, "x", "1")) + t[strings.IndexByte(t, '.'):]
		},
		"header-spaced": func(k keys) string {
			t := k.sign(header, claims)
			return b64(header+" ") + t[strings.IndexByte(t, '.'):]
		},
		"claims-after": func(k keys) string {
			t := k.sign(header, claims)
			return b64(header) + "." + b64(put(claims, "scope", `"admin"`)) + t[strings.LastIndexByte(t, '.'):]
		},
	} {
		all["forged-"+name] = recipe{expect: identity.CodeSignature, why: why, make: f}
	}
	return all
}

// plusOrder25519 adds the order of edwards25519 to a scalar, little end first: a
// second spelling of the same signature, which RFC 8032 section 5.1.7 forbids.
func plusOrder25519(s []byte) []byte {
	order, _ := new(big.Int).SetString("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed", 16)
	big1 := slices.Clone(s)
	slices.Reverse(big1)
	out := make([]byte, 32)
	new(big.Int).Add(new(big.Int).SetBytes(big1), order).FillBytes(out)
	slices.Reverse(out)
	return out
}

// hostileIssuers confuse the two issuers, whose keys share an id.
func hostileIssuers() map[string]recipe {
	every := func(alg, head, body string) func(keys) string {
		return func(k keys) string { return k.signEvery(alg, head, body) }
	}
	const jwt = `{"alg":"RS256","typ":"JWT","kid":"rsa"}`
	all := map[string]recipe{
		"every-signed-by-the-other": {expect: identity.CodeSignature, why: "one issuer signs in the name of another", make: plain(jwt, everyClaims)},
		"issuer-signed-by-every":    {expect: identity.CodeSignature, why: "one issuer signs in the name of another", make: every("RS256", header, claims)},
		"issuer-alg-of-every":       {expect: identity.CodeAlgorithm, why: "an algorithm that only another issuer may use", make: every("RS512", put(header, "alg", `"RS512"`), claims)},
		"issuer-kid-of-every":       {expect: identity.CodeKeyUnknown, why: "a key that only another issuer has", make: every("ES384", `{"alg":"ES256","typ":"at+jwt","kid":"ec384"}`, claims)},
		"issuer-aud-of-every":       {expect: identity.CodeAudience, why: "for another issuer's audience", make: with("aud", `"https://every.test/api"`)},
		"every-aud-of-issuer":       {expect: identity.CodeAudience, why: "for another issuer's audience", make: every("RS256", jwt, put(everyClaims, "aud", `"https://api.test"`))},
		"every-typ":                 {expect: identity.CodeType, why: "a type that this issuer's tokens do not have", make: every("RS256", put(jwt, "typ", `"at+jwt"`), everyClaims)},
		"every-too-old":             {expect: identity.CodeExpired, why: "older than its issuer allows", make: every("RS256", jwt, put(everyClaims, "iat", at(-3660)))},
		"every-iat-missing":         {expect: identity.CodeMalformed, why: "its age is not known", make: every("RS256", jwt, take(everyClaims, "iat"))},
		"every-claim-missing":       {expect: identity.CodeClaim, why: "a claim that its issuer must give", make: every("RS256", jwt, take(everyClaims, "org"))},
		"every-claim-other":         {expect: identity.CodeClaim, why: "a claim with another value", make: every("RS256", jwt, put(everyClaims, "org", `"evil"`))},
		"every-es512-with-es384":    {expect: identity.CodeAlgorithm, why: "an algorithm of another curve", make: every("ES384", `{"alg":"ES512","kid":"ec384"}`, everyClaims)},
	}
	for name, iss := range map[string]string{
		"case": "https://ISSUER.test", "port": "https://issuer.test:443", "scheme": "http://issuer.test", "user": "https://x@issuer.test", "space": "https://issuer.test ", "path": "https://issuer.test/x",
		"query": "https://issuer.test?x", "fragment": "https://issuer.test#x", "prefix": "https://issuer.test.evil.test", "nul": `https://issuer.test\u0000`, "empty": "", "escaped": "https://issuer%2etest",
		"homograph": "https://іssuer.test",
	} {
		all["iss-like-"+name] = recipe{expect: identity.CodeIssuer, why: "issuers are compared exactly", make: with("iss", `"`+iss+`"`)}
	}
	for name, aud := range map[string]string{
		"case": "https://API.test", "slash": "https://api.test/", "port": "https://api.test:443", "space": " https://api.test", "star": "*", "list-in-text": `https://other.test https://api.test`, "empty": "",
	} {
		all["aud-like-"+name] = recipe{expect: identity.CodeAudience, why: "audiences are compared exactly", make: with("aud", `"`+aud+`"`)}
	}
	return all
}
