package identity_test

import (
	"maps"
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
