package identity_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// signEvery signs in the name of the issuer that takes every algorithm.
func (k keys) signEvery(alg, head, body string) string {
	signing := b64(head) + "." + b64(body)
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	h := hash.New()
	h.Write([]byte(signing))
	var sig []byte
	switch alg[:2] {
	case "RS":
		sig = must(rsa.SignPKCS1v15(nil, k.other, hash, h.Sum(nil)))
	case "PS":
		sig = must(rsa.SignPSS(zeros{}, k.other, hash, h.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
	case "ES":
		key := map[string]prover{"ES384": {alg: alg, key: k.ec384}, "ES512": {alg: alg, key: k.ec521}}[alg]
		sig = key.fixed(h.Sum(nil), hash)
	}
	return signing + "." + b64bytes(sig)
}

// fixed signs a digest without random numbers (RFC 6979), r and s side by side.
func (p prover) fixed(digest []byte, hash crypto.Hash) []byte {
	der := must(p.key.Sign(nil, digest, hash))
	size := map[string]int{"ES256": 32, "ES384": 48, "ES512": 66}[p.alg]
	var sig struct{ R, S *big.Int }
	_ = must(asn1.Unmarshal(der, &sig))
	out := make([]byte, 2*size)
	sig.R.FillBytes(out[:size])
	sig.S.FillBytes(out[size:])
	return out
}

// vectorProver is the client of the proofs in testdata; its proofs are the same
// each time they are made.
func vectorProver(k keys) prover { return proverOf("ES256", k.dpop) }

// vectorToken is a token that is bound to its key.
func vectorToken(k keys) string { return vectorProver(k).bound(k) }

// fixedProof signs a proof for a token after change, without random numbers.
func (p prover) fixedProof(token string, change ...func(*parts)) string {
	ath := sha256.Sum256([]byte(token))
	x := &parts{
		header: map[string]any{"typ": "dpop+jwt", "alg": p.alg, "jwk": maps.Clone(p.public)},
		claims: map[string]any{"jti": "proof", "htm": "GET", "htu": "https://api.test/orders", "iat": clock, "ath": b64bytes(ath[:])},
	}
	for _, f := range change {
		f(x)
	}
	return p.fixedJWS(string(must(json.Marshal(x.header))), string(must(json.Marshal(x.claims))))
}

func (p prover) fixedJWS(header, claims string) string {
	signing := b64(header) + "." + b64(claims)
	digest := sha256.Sum256([]byte(signing))
	return signing + "." + b64bytes(p.fixed(digest[:], crypto.SHA256))
}

// proven is a recipe of a bound token with one proof.
func proven(expect, why string, change ...func(*parts)) recipe {
	return recipe{expect: expect, why: why, make: vectorToken, scheme: "DPoP", proofs: func(k keys, token string) []string {
		return []string{vectorProver(k).fixedProof(token, change...)}
	}}
}

// sent is a recipe of a bound token with proofs that are made by hand.
func sent(expect, why string, proofs func(p prover, token string) []string) recipe {
	return recipe{expect: expect, why: why, make: vectorToken, scheme: "DPoP", proofs: func(k keys, token string) []string {
		return proofs(vectorProver(k), token)
	}}
}

func (r recipe) as(scheme string) recipe { r.scheme = scheme; return r }

func (r recipe) of(token func(keys) string) recipe { r.make = token; return r }

func confirmed(cnf string) func(keys) string {
	return with("cnf", cnf)
}

// raw changes the text of a proof's claims.
func raw(old, replacement string) func(p prover, token string) []string {
	return func(p prover, token string) []string {
		proof := p.fixedProof(token)
		body := strings.Split(proof, ".")[1]
		return []string{p.fixedJWS(headerOf(proof), swap(headerOf(body+"."), old, replacement))}
	}
}

func hostileProofs() map[string]recipe {
	const malformed = identity.CodeProofMalformed
	thief := func(change ...func(k keys, x *parts)) func(keys, string) []string {
		return func(k keys, token string) []string {
			return []string{proverOf("ES256", k.thief).fixedProof(token, func(x *parts) {
				for _, f := range change {
					f(k, x)
				}
			})}
		}
	}
	ownersKey := func(k keys, x *parts) { x.header["jwk"] = vectorProver(k).public }
	return map[string]recipe{
		"proof-bearer":  proven(identity.CodeBound, "a bound token as bearer, with its proof").as("Bearer"),
		"proof-missing": sent(identity.CodeProofMissing, "no proof", func(prover, string) []string { return nil }),
		"proof-empty":   sent(malformed, "an empty proof", func(prover, string) []string { return []string{""} }),
		"proof-two":     sent(malformed, "two proofs", func(p prover, token string) []string { return []string{p.fixedProof(token), p.fixedProof(token)} }),
		"proof-two-in-one": sent(malformed, "two proofs in one header", func(p prover, token string) []string {
			return []string{p.fixedProof(token) + "," + p.fixedProof(token)}
		}),
		"proof-is-the-token":     sent(malformed, "the token as its own proof", func(_ prover, token string) []string { return []string{token} }),
		"proof-thief":            {expect: identity.CodeProofKey, why: "a thief proves his own key", make: vectorToken, scheme: "DPoP", proofs: thief()},
		"proof-thief-forges":     {expect: identity.CodeProofSignature, why: "a thief signs in the owner's name", make: vectorToken, scheme: "DPoP", proofs: thief(ownersKey)},
		"proof-unbound-token":    proven(identity.CodeNotBound, "a token that is bound to nothing").of(plain(header, claims)),
		"proof-cnf-empty":        proven(identity.CodeBound, "a confirmation of nothing").of(confirmed(`{}`)),
		"proof-cnf-text":         proven(identity.CodeBound, "a confirmation that is no object").of(confirmed(`"jkt"`)),
		"proof-cnf-null":         proven(identity.CodeBound, "a confirmation that is null").of(confirmed(`null`)),
		"proof-cnf-jwk":          proven(identity.CodeBound, "a confirmation that we cannot check").of(confirmed(`{"jwk":{"kty":"EC"}}`)),
		"proof-cnf-kid":          proven(identity.CodeBound, "a confirmation by a name").of(confirmed(`{"kid":"x"}`)),
		"proof-cnf-jkt-number":   proven(identity.CodeBound, "a thumbprint that is no text").of(confirmed(`{"jkt":7}`)),
		"proof-cnf-jkt-empty":    proven(identity.CodeBound, "an empty thumbprint").of(confirmed(`{"jkt":""}`)),
		"proof-cnf-jkt-other":    proven(identity.CodeProofKey, "another key's thumbprint").of(confirmed(`{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`)),
		"proof-cnf-certificate":  proven(identity.CodeNotBound, "a token that is bound to a certificate").of(confirmed(`{"x5t#S256":"abc"}`)),
		"proof-typ-jwt":          proven(malformed, "typ JWT", setHeader("typ", "JWT")),
		"proof-typ-missing":      proven(malformed, "no typ", setHeader("typ", nil)),
		"proof-alg-none":         proven(identity.CodeProofAlgorithm, "no signature wanted", setHeader("alg", "none")),
		"proof-alg-hs256":        proven(identity.CodeProofAlgorithm, "the public key as a secret", setHeader("alg", "HS256")),
		"proof-alg-other":        proven(identity.CodeProofAlgorithm, "an algorithm that is not the key's", setHeader("alg", "RS256")),
		"proof-alg-missing":      proven(identity.CodeProofAlgorithm, "no algorithm", setHeader("alg", nil)),
		"proof-jwk-missing":      proven(malformed, "no key", setHeader("jwk", nil)),
		"proof-jwk-symmetric":    proven(malformed, "a secret as a key", setHeader("jwk", map[string]any{"kty": "oct", "k": "AAAA"})),
		"proof-jwk-text":         proven(malformed, "a key that is no object", setHeader("jwk", "EC")),
		"proof-jwk-short":        proven(malformed, "a coordinate that is too short", setHeader("jwk", map[string]any{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"})),
		"proof-jwk-infinity":     proven(malformed, "a point that is not on the curve", setHeader("jwk", map[string]any{"kty": "EC", "crv": "P-256", "x": strings.Repeat("A", 43), "y": strings.Repeat("A", 43)})),
		"proof-jwk-exponent-one": proven(malformed, "an RSA key that signs everything", setHeader("jwk", map[string]any{"kty": "RSA", "n": strings.Repeat("_", 342), "e": "AQ"})),
		"proof-jwk-small-order":  proven(malformed, "an Ed25519 key for which anybody can sign", setHeader("jwk", map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "AQ" + strings.Repeat("A", 41)})),
		"proof-jku":              proven(malformed, "an address for keys", setHeader("jku", "https://evil.test")),
		"proof-x5c":              proven(malformed, "a certificate", setHeader("x5c", []string{"MIIB"})),
		"proof-crit":             proven(malformed, "an extension", setHeader("crit", []string{"htm"})),
		"proof-htm-other":        proven(identity.CodeProofMethod, "for another method", set("htm", "POST")),
		"proof-htm-case":         proven(identity.CodeProofMethod, "methods have case", set("htm", "get")),
		"proof-htm-missing":      proven(malformed, "for no method", set("htm", nil)),
		"proof-htu-host":         proven(identity.CodeProofURL, "for another host", set("htu", "https://evil.test/orders")),
		"proof-htu-scheme":       proven(identity.CodeProofURL, "for another scheme", set("htu", "http://api.test/orders")),
		"proof-htu-port":         proven(identity.CodeProofURL, "for another port", set("htu", "https://api.test:444/orders")),
		"proof-htu-path":         proven(identity.CodeProofURL, "for another path", set("htu", "https://api.test/order")),
		"proof-htu-slash":        proven(identity.CodeProofURL, "for a path with another slash", set("htu", "https://api.test/orders/")),
		"proof-htu-case":         proven(identity.CodeProofURL, "paths have case", set("htu", "https://api.test/Orders")),
		"proof-htu-user":         proven(identity.CodeProofURL, "a user before the host", set("htu", "https://api.test@evil.test/orders")),
		"proof-htu-suffix":       proven(identity.CodeProofURL, "a host that begins like ours", set("htu", "https://api.test.evil.test/orders")),
		"proof-htu-backslash":    proven(identity.CodeProofURL, "a backslash, which some take for a slash", set("htu", `https://api.test\orders`)),
		"proof-htu-missing":      proven(malformed, "for no URL", set("htu", nil)),
		"proof-iat-old":          proven(identity.CodeProofTime, "older than a minute", set("iat", clock-61)),
		"proof-iat-future":       proven(identity.CodeProofTime, "from the future", set("iat", clock+61)),
		"proof-iat-missing":      proven(malformed, "without a time", set("iat", nil)),
		"proof-iat-text":         proven(malformed, "a time that is a text", set("iat", fmt.Sprint(clock))),
		"proof-jti-missing":      proven(malformed, "without a name", set("jti", nil)),
		"proof-jti-number":       proven(malformed, "a name that is no text", set("jti", 7)),
		"proof-ath-missing":      proven(malformed, "for no token", set("ath", nil)),
		"proof-ath-other":        proven(identity.CodeProofToken, "for another token", set("ath", "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo")),
		"proof-duplicate":        sent(malformed, "two methods", raw(`"htm"`, `"htm":"POST","htm"`)),
		"proof-trailing":         sent(malformed, "something behind the claims", raw(`}`, `}{}`)),
		"proof-signature-empty": sent(identity.CodeProofSignature, "no signature", func(p prover, token string) []string {
			proof := p.fixedProof(token)
			return []string{proof[:strings.LastIndexByte(proof, '.')+1]}
		}),
		"proof-signature-zero": sent(identity.CodeProofSignature, "r and s are 0", func(p prover, token string) []string {
			proof := p.fixedProof(token)
			return []string{proof[:strings.LastIndexByte(proof, '.')+1] + b64bytes(make([]byte, 64))}
		}),
	}
}

// oddProofs are unusual and good.
func oddProofs() map[string]recipe {
	ok := func(why string, change ...func(*parts)) recipe { return proven("ok", why, change...) }
	return map[string]recipe{
		"plain":           ok("the proof that the others are made from"),
		"typ-application": ok("application/ before the type", setHeader("typ", "application/dpop+jwt")),
		"typ-case":        ok("media types have no case", setHeader("typ", "DPOP+JWT")),
		"kid":             ok("a key id beside the key", setHeader("kid", "x")),
		"jwk-more":        ok("further members of the key", func(x *parts) { x.header["jwk"].(map[string]any)["use"] = "sig" }),
		"htu-query":       ok("query and fragment do not count (RFC 9449 4.3)", set("htu", "https://api.test/orders?a=b#c")),
		"htu-port":        ok("the port that https implies", set("htu", "https://api.test:443/orders")),
		"htu-case":        ok("scheme and host have no case", set("htu", "HTTPS://API.TEST/orders")),
		"htu-escaped":     ok("an unreserved character that is escaped (RFC 3986 6.2.2.2)", set("htu", "https://api.test/%6frders")),
		"htu-dots":        ok("dot segments (RFC 3986 6.2.2.3)", set("htu", "https://api.test/a/.././orders")),
		"htu-websocket":   ok("the URL of a WebSocket", set("htu", "wss://api.test/orders")),
		"iat-oldest":      ok("as old as it may be", set("iat", clock-60)),
		"iat-youngest":    ok("as young as it may be", set("iat", clock+60)),
		"iat-fraction":    ok("NumericDate may have a fraction", set("iat", clock+0.5)),
		"jti-long":        ok("just within the limit", set("jti", strings.Repeat("x", 1024))),
		"claims-more":     ok("claims that nobody knows", set("x", []any{nil, map[string]any{"a": 1}})),
		"nonce":           ok("a nonce that nobody asked for", set("nonce", "abc")),
		"cnf-more": ok("further members of cnf are ignored (RFC 7800 3.1)").of(func(k keys) string {
			return k.sign(header, put(claims, "cnf", `{"kid":"x","jkt":"`+vectorProver(k).jkt()+`","x":{}}`))
		}),
		"whitespace": sent("ok", "JSON may have spaces", raw(`"htm"`, " \n\t\"htm\"")),
		"escapes":    sent("ok", "names and values may be escaped", raw(`"htm":"GET"`, `"ht\u006d":"\u0047ET"`)),
		"token-es256": ok("a token by another algorithm").of(func(k keys) string {
			return k.sign(`{"alg":"ES256","typ":"at+jwt","kid":"ec"}`, put(claims, "cnf", `{"jkt":"`+vectorProver(k).jkt()+`"}`))
		}),
		"rsa": {why: "a proof by an RSA key", make: func(k keys) string { return proverOf("RS256", k.other).bound(k) }, proofs: func(k keys, token string) []string {
			return []string{proverOf("RS256", k.other).proof(token, set("jti", "proof"))}
		}},
		"eddsa": {why: "a proof by an Ed25519 key", make: func(k keys) string { return proverOf("EdDSA", k.ed).bound(k) }, proofs: func(k keys, token string) []string {
			return []string{proverOf("EdDSA", k.ed).proof(token, set("jti", "proof"))}
		}},
	}
}
