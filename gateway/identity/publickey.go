package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
)

var errPublicKey = errors.New("not a public key for signatures")

// parsePublicKey reads the public key of a proof, a JWK, and its thumbprint
// (RFC 7638). Only the members that the thumbprint is made of count; a private
// or symmetric key is refused.
func parsePublicKey(jwk []byte) (*key, string, error) {
	if jwk == nil {
		return nil, "", errPublicKey
	}
	o, err := parseObject(jwk)
	if err != nil {
		return nil, "", err
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if o.get(private) != nil {
			return nil, "", errPublicKey
		}
	}
	kty, _ := text(o.get("kty"))
	switch kty {
	case "EC":
		return parseEC(o)
	case "OKP":
		return parseOKP(o)
	case "RSA":
		return parseRSA(o)
	}
	return nil, "", errPublicKey
}

// curve returns the curve that JWA calls by a name, and the bytes of a coordinate.
func curve(name string) (c elliptic.Curve, size int) {
	switch name {
	case "P-256":
		return elliptic.P256(), 32
	case "P-384":
		return elliptic.P384(), 48
	case "P-521":
		return elliptic.P521(), 66
	}
	return nil, 0
}

func parseEC(o object) (*key, string, error) {
	crv, _ := text(o.get("crv"))
	c, size := curve(crv)
	x, xs := member64(o, "x")
	y, ys := member64(o, "y")
	if c == nil || len(x) != size || len(y) != size {
		return nil, "", errPublicKey
	}
	public, err := ecdsa.ParseUncompressedPublicKey(c, append(append([]byte{4}, x...), y...))
	if err != nil {
		return nil, "", errPublicKey // Not on the curve.
	}
	return &key{public: public}, thumbprint(`{"crv":"` + crv + `","kty":"EC","x":"` + xs + `","y":"` + ys + `"}`), nil
}

func parseOKP(o object) (*key, string, error) {
	crv, _ := text(o.get("crv"))
	x, xs := member64(o, "x")
	if crv != "Ed25519" || len(x) != ed25519.PublicKeySize || smallOrder(x) {
		return nil, "", errPublicKey
	}
	return &key{public: ed25519.PublicKey(x)}, thumbprint(`{"crv":"Ed25519","kty":"OKP","x":"` + xs + `"}`), nil
}

func parseRSA(o object) (*key, string, error) {
	n, ns := member64(o, "n")
	e, es := member64(o, "e")
	if len(n) == 0 || n[0] == 0 || len(e) == 0 || len(e) > 4 || e[0] == 0 {
		return nil, "", errPublicKey
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if !strongRSA(public) || public.E > 1<<31-1 {
		return nil, "", errPublicKey
	}
	return &key{public: public}, thumbprint(`{"e":"` + es + `","kty":"RSA","n":"` + ns + `"}`), nil
}

// strongRSA reports whether a key has a size and an exponent that we accept.
func strongRSA(p *rsa.PublicKey) bool {
	bits := p.N.BitLen()
	return bits >= RSABitsMin && bits <= RSABitsMax && p.E >= 3 && p.E%2 == 1
}

// small25519 lists the points of edwards25519 whose order divides 8, in hex without
// the sign of x: orders 4, 1 and 2, the two y of order 8, and the second spellings
// of 0 and 1, which are not reduced.
func small25519() []string {
	return []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	}
}

// smallOrder reports whether an Ed25519 key is a point for which anybody can sign:
// one signature fits every eighth message, or every one. crypto/ed25519 takes it.
func smallOrder(key ed25519.PublicKey) bool {
	y := slices.Clone(key)
	y[len(y)-1] &= 0x7f
	return slices.Contains(small25519(), hex.EncodeToString(y))
}

// member64 returns a member in canonical base64url, decoded and as it stands;
// nothing where it is none.
func member64(o object, name string) (decoded []byte, encoded string) {
	encoded, _ = text(o.get(name))
	decoded, err := decode64(encoded)
	if err != nil {
		return nil, ""
	}
	return decoded, encoded
}

// thumbprint hashes the canonical form of a key.
func thumbprint(canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
