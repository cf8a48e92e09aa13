package identity_test

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

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
		"ps256-no-salt":      signPSS(0),
		"ps256-short-salt":   signPSS(20),
		"ps256-long-salt":    signPSS(222),
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

// signPSS signs with a salt that is not as long as the hash (RFC 7518 section 3.5).
func signPSS(salt int) func(keys) string {
	return func(k keys) string {
		signing := b64(put(header, "alg", `"PS256"`)) + "." + b64(claims)
		h := sha256.Sum256([]byte(signing))
		// EMSA-PSS-ENCODE (RFC 8017 section 9.1.1) with a salt of zeros: crypto/rsa
		// does not make signatures without one.
		m := sha256.Sum256(slices.Concat(make([]byte, 8), h[:], make([]byte, salt)))
		size := k.rsa.Size()
		db := slices.Concat(make([]byte, size-len(m)-salt-2), []byte{1}, make([]byte, salt))
		for i := range db {
			if i%sha256.Size == 0 {
				mask := sha256.Sum256(binary.BigEndian.AppendUint32(slices.Clone(m[:]), uint32(i/sha256.Size)))
				for j := range min(len(mask), len(db)-i) {
					db[i+j] ^= mask[j]
				}
			}
		}
		db[0] &= 0x7f
		em := new(big.Int).SetBytes(slices.Concat(db, m[:], []byte{0xbc}))
		return signing + "." + b64bytes(em.Exp(em, k.rsa.D, k.rsa.N).FillBytes(make([]byte, size)))
	}
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
