package identity_test

import (
	"fmt"
	"maps"
	"strings"
)

// odd tokens are unusual and good.
func odd() map[string]recipe {
	all := oddKnown()
	for _, more := range []map[string]recipe{oddHeaders(), oddJSON(), oddTimes(), oddNames(), oddLists(), oddOfEvery()} {
		maps.Copy(all, more)
	}
	return all
}

func oddKnown() map[string]recipe {
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

func oddHeaders() map[string]recipe {
	return map[string]recipe{
		"header-order": {why: "members in another order", make: plain(`{"kid":"rsa","typ":"at+jwt","alg":"RS256"}`, claims)},
		"header-escaped": {why: "names and values may be escaped", make: func(k keys) string {
			return k.signRaw(b64(`{"\u0061lg":"RS\u003256","typ":"at\u002bjwt","k\u0069d":"r\u0073a"}`)+"."+b64(claims), header)
		}},
		"header-unknown":  {why: "members that nobody knows are ignored (RFC 7515 4.1)", make: head("x", `{"y":[1,2,{"z":null}]}`)},
		"header-x5t-s256": {why: "a thumbprint is no key", make: head("x5t#S256", `"abc"`)},
		"header-cty":      {why: "a content type", make: head("cty", `"JWT"`)},
		"header-claims":   {why: "claims repeated in a header count for nothing (RFC 7519 5.3)", make: head("iss", `"https://evil.test"`)},
		"header-nonce":    {why: "a nonce in a header, as Microsoft's own services have it", make: head("nonce", `"abc"`)},
		"header-at-its-limit": {why: "a header of just 2 KiB", make: func(k keys) string {
			return k.sign(put(header, "x", `"`+strings.Repeat("x", 2048-len(put(header, "x", `""`)))+`"`), claims)
		}},
		"header-names-case": {why: "names have case: JWK and Crit are not jwk and crit", make: head("Crit", `["exp"]`)},
		"alg-ed25519": {why: "the newer name of EdDSA (RFC 9864)", make: func(k keys) string {
			head := `{"alg":"Ed25519","typ":"at+jwt","kid":"ed"}`
			return k.signRaw(b64(head)+"."+b64(claims), `"EdDSA"`)
		}},
		"kid-rs256":            {why: "a key that is for one algorithm", make: head("kid", `"rsa-rs256"`)},
		"typ-jwt-small":        {why: "media types have no case", make: head("typ", `"jwt"`)},
		"typ-jwt-application":  {why: "application/ before the type", make: head("typ", `"application/jwt"`)},
		"typ-mixed":            {why: "media types have no case", make: head("typ", `"At+Jwt"`)},
		"typ-application-case": {why: "media types have no case", make: head("typ", `"APPLICATION/AT+JWT"`)},
		"scheme-small":         {why: "schemes have no case", make: plain(header, claims), scheme: "bearer"},
		"scheme-capitals":      {why: "schemes have no case", make: plain(header, claims), scheme: "BEARER"},
		"scheme-spaces":        {why: "several spaces (RFC 9110 11.4)", make: plain(header, claims), scheme: "Bearer   "},
	}
}

func oddJSON() map[string]recipe {
	all := make(map[string]recipe)
	for name, value := range map[string]string{
		"null": `null`, "true": `true`, "false": `false`, "zero": `0`, "minus-zero": `-0`, "fraction": `-0.5`, "exponent": `1E+2`, "small": `5e-324`,
		"beyond-float": `1e999`, "below-float": `1e-999`, "big-integer": `123456789012345678901234567890`, "beyond-2-53": `9007199254740993`,
		"empty-text": `""`, "empty-list": `[]`, "empty-object": `{}`, "spaces": "[ \t\r\n ]", "escapes": `"\"\\\/\b\f\n\r\t"`, "escaped-nul": `"\u0000"`,
		"surrogates": `"\ud83d\ude00"`, "highest": `"\udbff\udfff"`, "small-hex": `"\u00e9"`, "capital-hex": `"\u00E9"`, "plain-utf8": `"é · 漢字 · 😀"`,
		"right-to-left": `"שלום"`, "combining": `"e` + "\u0301" + `"`, "line-separators": "\"\u2028\u2029\"", "delete": "\"\u007f\"", "non-character": "\"\uffff\"",
		"replacement": "\"\ufffd\"", "byte-order-mark-inside": "\"\ufeff\"", "looks-like-json": `"{\"sub\":\"bob\"}"`, "looks-like-null": `"null"`,
		"list-of-all": `[null,true,1,"x",[],{}]`, "names-again": `[{"a":1},{"a":2}]`, "long-text": `"` + strings.Repeat("x", 8000) + `"`,
	} {
		all["value-"+name] = recipe{why: "a claim that nobody knows may hold anything", make: with("x", value)}
	}
	for name, member := range map[string]string{
		"empty": ``, "escaped": `\u0078`, "unicode": `π`, "quote": `\"`, "spaces": ` sub `, "dotted": `https://x.test/sub`, "nul": `sub\u0000`, "proto": `__proto__`,
	} {
		all["name-"+name] = recipe{why: "names may be anything, and are compared in full", make: with(member, `"x"`)}
	}
	return all
}

func oddTimes() map[string]recipe {
	return map[string]recipe{
		"exp-zeros":         {why: "a fraction of nothing", make: with("exp", `1795349100.000`)},
		"exp-plus-exponent": {why: "a number is a number", make: with("exp", `17953491E+2`)},
		"exp-last":          {why: "the last second of four-digit years", make: with("exp", `253402300799`)},
		"exp-now":           {why: "expires now, within the leeway", make: with("exp", at(0))},
		"exp-in-a-second":   {why: "almost expired", make: with("exp", at(1))},
		"nbf-past":          {why: "valid for long", make: with("nbf", `0`)},
		"nbf-now":           {why: "valid since now", make: with("nbf", at(0))},
		"nbf-fraction":      {why: "NumericDate may have a fraction", make: with("nbf", at(0)+".5")},
		"iat-now":           {why: "issued now", make: with("iat", at(0))},
		"iat-1970":          {why: "an issuer without a clock", make: with("iat", `0`)},
		"iat-missing":       {why: "iat is optional (RFC 7519 4.1.6)", make: without("iat")},
		"auth-time-missing": {why: "a token of a service", make: without("auth_time")},
		"auth-time-now":     {why: "signed in now", make: with("auth_time", at(0))},
		"auth-time-leeway":  {why: "signed in by a clock that runs ahead", make: with("auth_time", at(60))},
		"auth-time-float":   {why: "NumericDate may have a fraction", make: with("auth_time", `1795340000.25`)},
		"times-as-one":      {why: "all times are one", make: plain(header, put(put(put(claims, "nbf", at(0)), "iat", at(0)), "auth_time", at(0)))},
	}
}

func oddNames() map[string]recipe {
	all := make(map[string]recipe)
	for name, value := range map[string]string{
		"one-letter": `"a"`, "digits": `"42"`, "zero": `"0"`, "null-text": `"null"`, "email": `"alice@example.org"`, "url": `"https://people.test/alice?x=1#y"`, "uuid": `"6f9619ff-8b86-d011-b42d-00c04fc964ff"`,
		"pairwise": `"auth0|5f7c8ec7c33c6c004bbafe82"`, "spaces": `" alice "`, "newline": `"al\nice"`, "nul": `"al\u0000ice"`, "capitals": `"ALICE"`, "script": `"<script>alert(1)</script>"`,
		"sql": `"' OR 1=1 --"`, "distinguished": `"CN=Alice,O=Example,C=DE"`, "spiffe": `"spiffe://example.org/alice"`, "emoji": `"👩‍💻"`, "right-to-left": `"\u202ealice"`,
	} {
		all["sub-"+name] = recipe{why: "a subject is text, compared as it is", make: with("sub", value)}
	}
	maps.Copy(all, map[string]recipe{
		"jti-missing":         {why: "the token is its signing input", make: without("jti")},
		"jti-long":            {why: "just within the limit", make: with("jti", `"`+strings.Repeat("x", 1024)+`"`)},
		"jti-unicode":         {why: "a token's name is text", make: with("jti", `"té"`)},
		"sid-long":            {why: "just within the limit", make: with("sid", `"`+strings.Repeat("s", 1024)+`"`)},
		"sid-empty":           {why: "no session is named", make: with("sid", `""`)},
		"client-id-missing":   {why: "no client is named", make: without("client_id")},
		"client-id-url":       {why: "a client by its URL", make: with("client_id", `"https://client.test/id"`)},
		"azp-alone":           {why: "the client by its OpenID Connect name", make: plain(header, put(take(claims, "client_id"), "azp", `"web"`))},
		"azp-beside":          {why: "both names of the client", make: with("azp", `"web"`)},
		"acr-missing":         {why: "nothing is said of how", make: without("acr")},
		"acr-urn":             {why: "a context by its URN", make: with("acr", `"urn:mace:incommon:iap:silver"`)},
		"acr-zero":            {why: "the context of who was long away (OpenID Connect Core 2)", make: with("acr", `"0"`)},
		"act":                 {why: "somebody acts for the subject (RFC 8693)", make: with("act", `{"sub":"bob"}`)},
		"act-chain":           {why: "somebody acts for somebody who acts", make: with("act", `{"sub":"bob","act":{"sub":"eve"}}`)},
		"act-issuer":          {why: "an actor of another issuer", make: with("act", `{"sub":"bob","iss":"https://other.test"}`)},
		"gty":                 {why: "a grant for clients", make: with("gty", `"client-credentials"`)},
		"authorization":       {why: "rich authorisation (RFC 9396)", make: with("authorization_details", `[{"type":"payment","amount":{"currency":"EUR","value":"1.00"}}]`)},
		"groups":              {why: "groups of Microsoft and others", make: with("groups", `["a","b"]`)},
		"keycloak":            {why: "what Keycloak adds", make: with("realm_access", `{"roles":["offline_access"]}`)},
		"typ-claim-bearer":    {why: "Keycloak says in a claim that it is a bearer token", make: plain(put(header, "typ", `"JWT"`), put(claims, "typ", `"Bearer"`))},
		"nonce-explicit-type": {why: "a nonce in what is an access token by its type", make: with("nonce", `"n-1"`)},
	})
	return all
}

func oddLists() map[string]recipe {
	all := make(map[string]recipe)
	for name, value := range map[string]string{
		"first": `["https://api.test","https://other.test"]`, "last": `["a","b","https://api.test"]`, "twice": `["https://api.test","https://api.test"]`,
		"with-empty": `["","https://api.test"]`, "escaped": `"https:\/\/api.test"`, "spaced": "[ \"https://api.test\" ]",
	} {
		all["aud-"+name] = recipe{why: "one of the audiences is ours", make: with("aud", value)}
	}
	maps.Copy(all, map[string]recipe{
		"scope-empty":     {why: "an empty list of scopes", make: with("scope", `""`)},
		"scope-one":       {why: "one scope", make: with("scope", `"read"`)},
		"scope-spaces":    {why: "more spaces than needed", make: with("scope", `"  read   write "`)},
		"scope-urls":      {why: "scopes that are URLs", make: with("scope", `"https://api.test/read https://api.test/write"`)},
		"scope-128":       {why: "just within the limit", make: with("scope", `"`+strings.TrimSpace(strings.Repeat("x ", 128))+`"`)},
		"scope-list":      {why: "scopes as a list", make: with("scope", `["read","write"]`)},
		"scope-and-scp":   {why: "both names; scope counts", make: with("scp", `["admin"]`)},
		"scp-empty":       {why: "an empty list", make: plain(header, put(take(claims, "scope"), "scp", `[]`))},
		"amr-missing":     {why: "nothing is said of how", make: without("amr")},
		"amr-empty":       {why: "no method", make: with("amr", `[]`)},
		"amr-many":        {why: "just within the limit", make: with("amr", `["x"`+strings.Repeat(`,"x"`, 127)+`]`)},
		"payload-minimal": {why: "only what must be there", make: plain(header, `{"iss":"https://issuer.test","sub":"a","aud":"https://api.test","exp":1795349100}`)},
		"payload-order":   {why: "claims in another order", make: plain(header, `{"exp":1795349100,"aud":"https://api.test","sub":"a","iss":"https://issuer.test"}`)},
		"payload-large":   {why: "a token of almost 16 KiB", make: with("x", `"`+strings.Repeat("x", 11500)+`"`)},
	})
	return all
}

// Claims of the issuer that takes every algorithm and no type.
const everyClaims = `{"iss":"https://every.test","sub":"alice","aud":"https://every.test/api","exp":1795349100,"iat":1795348500,"org":"acme"}`

// oddOfEvery are tokens of the other issuer, whose keys have the ids of the
// first one's.
func oddOfEvery() map[string]recipe {
	all := make(map[string]recipe)
	for alg, kid := range map[string]string{
		"RS256": "rsa", "RS384": "rsa", "RS512": "rsa", "PS256": "rsa", "PS384": "rsa", "PS512": "rsa", "ES384": "ec384", "ES512": "ec521",
	} {
		head := fmt.Sprintf(`{"alg":%q,"typ":"JWT","kid":%q}`, alg, kid)
		all["every-"+strings.ToLower(alg)] = recipe{why: "an issuer that takes every algorithm", make: func(k keys) string { return k.signEvery(alg, head, everyClaims) }}
	}
	for name, body := range map[string]string{
		"org-in-a-list": put(everyClaims, "org", `["other","acme"]`), "both-audiences": put(everyClaims, "aud", `["https://api.test","https://every.test/api"]`),
		"as-old-as-allowed": put(everyClaims, "iat", at(-3600)), "other-claims-than-the-first": put(everyClaims, "scope", `"x"`),
	} {
		all["every-"+name] = recipe{why: "it keeps to the rules of its own issuer", make: func(k keys) string {
			return k.signEvery("RS256", `{"alg":"RS256","kid":"rsa"}`, body)
		}}
	}
	return all
}
