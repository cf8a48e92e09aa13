package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// ProofAlgorithms are those that a DPoP proof may be signed with, as the
// parameter algs of a challenge lists them (RFC 9449 section 5.1).
const ProofAlgorithms = "ES256 ES384 ES512 EdDSA Ed25519 PS256 PS384 PS512 RS256 RS384 RS512"

// proof is a DPoP proof (RFC 9449 section 4.2). Nothing in it is true before
// its signature has been checked with the key that it brings.
type proof struct {
	signed

	alg          string
	key          *key
	thumbprint   string // Of key, RFC 7638.
	id           string // jti.
	method, url  string // htm, htu.
	token, nonce string // ath, nonce; nonce is empty where absent.
	issuedAt     time.Time
}

// proofOf reads the one proof of a request. The error is an [Error].
func proofOf(h http.Header) (proof, error) {
	values := h["Dpop"]
	switch {
	case len(values) == 0:
		return proof{}, fault(CodeProofMissing, "Send a DPoP proof")
	case len(values) > 1:
		return proof{}, fault(CodeProofMalformed, "Send exactly one DPoP proof")
	case len(values[0]) > ProofBytesMax:
		return proof{}, fault(CodeProofMalformed, "The DPoP proof is too large")
	}
	s, err := parseSigned(values[0])
	if err != nil {
		return proof{}, fault(CodeProofMalformed, "The DPoP proof is not a JWT that can be read in one way only")
	}
	p := proof{signed: s}
	err = p.readHeader()
	if err != nil {
		return proof{}, err
	}
	return p, p.readClaims()
}

// readHeader takes the type, the algorithm and the key. This is the one kind of
// JWT that brings its own key: what it proves is that the sender has it.
func (p *proof) readHeader() error {
	for _, m := range p.header {
		switch m.name {
		case "jku", "x5u", "x5c", "crit", "b64", "enc", "zip", "epk", "p2c", "p2s":
			return fault(CodeProofMalformed, "The DPoP proof's header asks for what is not supported")
		}
	}
	typ, _ := text(p.header.get("typ"))
	if strings.TrimPrefix(strings.ToLower(typ), "application/") != "dpop+jwt" {
		return fault(CodeProofMalformed, "The DPoP proof is of another type")
	}
	alg, _ := text(p.header.get("alg"))
	if !slices.Contains(algorithms(), alg) {
		return fault(CodeProofAlgorithm, "The DPoP proof's algorithm is not accepted")
	}
	k, thumbprint, err := parsePublicKey(p.header.get("jwk"))
	if err != nil {
		return fault(CodeProofMalformed, "The DPoP proof's key is not a public key for signatures")
	}
	if !k.fits(alg) {
		return fault(CodeProofAlgorithm, "The DPoP proof's algorithm does not go with its key")
	}
	p.alg, p.key, p.thumbprint = alg, k, thumbprint
	return nil
}

func (p *proof) readClaims() error {
	r := reader{o: p.claims}
	p.id, p.method, p.token, p.nonce, p.issuedAt = r.name("jti"), r.name("htm"), r.name("ath"), r.name("nonce"), r.time("iat")
	p.url, _ = text(p.claims.get("htu")) // As long as a proof may be.
	if r.err != nil || p.id == "" || p.method == "" || p.url == "" || p.token == "" || p.claims.get("iat") == nil {
		return fault(CodeProofMalformed, "The DPoP proof lacks one of jti, htm, htu, iat and ath")
	}
	return nil
}

// check compares a proof with the request that it came with and the clock.
func (p *proof) check(r *http.Request, token string, c DPoP, now time.Time) error {
	sum := sha256.Sum256([]byte(token))
	switch {
	case p.method != r.Method:
		return fault(CodeProofMethod, "The DPoP proof is for another method")
	case !sameURL(p.url, r, c.Origins):
		return fault(CodeProofURL, "The DPoP proof is for another URL")
	case subtle.ConstantTimeCompare([]byte(p.token), []byte(base64.RawURLEncoding.EncodeToString(sum[:]))) != 1:
		return fault(CodeProofToken, "The DPoP proof is for another token")
	case p.issuedAt.Before(now.Add(-c.Window)):
		return fault(CodeProofTime, "The DPoP proof is too old")
	case p.issuedAt.After(now.Add(c.Window)):
		return fault(CodeProofTime, "The DPoP proof is not valid yet")
	}
	return nil
}

// prove holds a request to the key that its token is bound to, and returns the
// nonce that the client should go on with, which is mostly none. What costs
// least comes first, and what is remembered last, so that only who has an
// authentic token and its key can fill the memory.
func (v *Verifier) prove(r *http.Request, e *verified, from netip.Addr, now time.Time) (nonce string, err error) {
	p, err := proofOf(r.Header)
	if err != nil {
		return "", err
	}
	err = p.check(r, e.token, v.dpop, now)
	if err != nil {
		return "", err
	}
	if e.issuer.spec.DPoPNonce { // Else nobody has given one, and whatever there is says nothing.
		nonce, err = v.proofs.nonces.check(p.nonce, now)
		if err != nil {
			return "", err
		}
	}
	if subtle.ConstantTimeCompare([]byte(p.thumbprint), []byte(e.confirm.jkt)) != 1 {
		return "", stolen(e, CodeProofKey, "The DPoP proof is by another key than the token's")
	}
	if checkJWS(p.alg, p.signed, p.key) != nil {
		return "", stolen(e, CodeProofSignature, "The DPoP proof's signature is wrong")
	}
	seen, err := v.proofs.replays.seen(p.thumbprint, p.id, from, now)
	switch {
	case err != nil:
		return "", err
	case seen == seenHere:
		return "", fault(CodeProofRepeated, "The DPoP proof was used before")
	case seen == seenElsewhere:
		return "", stolen(e, CodeProofReplayed, "The DPoP proof was used before")
	}
	return nonce, nil
}
