package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// key is one public key of an issuer. Immutable.
type key struct {
	alg    string // Empty where the set does not say.
	public crypto.PublicKey
}

// keySet holds an issuer's usable keys by kid. Immutable.
type keySet struct{ keys map[string]*key }

// parseKeySet reads a JWKS document. Keys that cannot verify one of our
// algorithms are left out and told to skipped; two usable keys with one kid
// make the whole set ambiguous, and a set without a usable key is none.
func parseKeySet(document []byte, skipped func(kid string, why error)) (*keySet, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	err := json.Unmarshal(document, &doc)
	if err != nil {
		return nil, fmt.Errorf("decode key set: %w", err)
	}
	if len(doc.Keys) > KeysMax {
		return nil, fmt.Errorf("key set has %d keys, at most %d are allowed", len(doc.Keys), KeysMax)
	}
	set := &keySet{keys: make(map[string]*key, len(doc.Keys))}
	for _, raw := range doc.Keys {
		kid, k, err := parseKey(raw)
		if err != nil {
			skipped(kid, err)
			continue
		}
		if set.keys[kid] != nil {
			return nil, fmt.Errorf("key set has two keys with the id %q", kid)
		}
		set.keys[kid] = k
	}
	if len(set.keys) == 0 {
		return nil, errors.New("key set has no usable key")
	}
	return set, nil
}

// parseKey reads one key and reports why it is of no use.
func parseKey(raw json.RawMessage) (kid string, k *key, err error) {
	j, err := jwk.ParseKey(raw)
	if err != nil {
		return "", nil, fmt.Errorf("parse key: %w", err)
	}
	kid = j.KeyID()
	if kid == "" || len(kid) > NameBytesMax {
		return kid, nil, errors.New("has no id, or one that is too long")
	}
	if j.KeyUsage() != "" && j.KeyUsage() != string(jwk.ForSignature) {
		return kid, nil, fmt.Errorf("is for use %q", j.KeyUsage())
	}
	if len(j.KeyOps()) > 0 && !slices.Contains(j.KeyOps(), jwk.KeyOpVerify) {
		return kid, nil, errors.New("is not for verifying")
	}
	var public any
	err = j.Raw(&public)
	if err != nil {
		return kid, nil, fmt.Errorf("read key: %w", err)
	}
	k = &key{alg: j.Algorithm().String(), public: public}
	switch p := public.(type) {
	case *rsa.PublicKey:
		if !strongRSA(p) {
			return kid, nil, fmt.Errorf("is an RSA key of %d bits with exponent %d", p.N.BitLen(), p.E)
		}
	case ed25519.PublicKey:
		if smallOrder(p) {
			return kid, nil, errors.New("is a point of small order, for which anybody can sign")
		}
	case *ecdsa.PublicKey:
	default:
		return kid, nil, fmt.Errorf("is of kind %T, not a public key for signatures", public)
	}
	if k.alg != "" && (!slices.Contains(algorithms(), k.alg) || !k.fits(k.alg)) {
		return kid, nil, fmt.Errorf("algorithm %q does not go with its kind", k.alg)
	}
	return kid, k, nil
}

// signature is the name by which jwx knows an algorithm: RFC 9864 gave EdDSA on
// the one curve that we take a name of its own.
func signature(alg string) string {
	if alg == "Ed25519" {
		return "EdDSA"
	}
	return alg
}

// fits reports whether the key can verify alg: the key decides, never the token.
func (k *key) fits(alg string) bool {
	if k.alg != "" && signature(k.alg) != signature(alg) {
		return false
	}
	switch p := k.public.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")
	case *ecdsa.PublicKey:
		return map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[alg] == p.Curve.Params().Name
	case ed25519.PublicKey:
		return signature(alg) == "EdDSA"
	}
	return false
}

// equal reports whether two keys are the same.
func (k *key) equal(o *key) bool {
	p, ok := k.public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.alg == o.alg && p.Equal(o.public)
}

// heir returns next with every key that s has too replaced by that of s, or s
// itself where nothing has changed: what was verified by a key stays tied to it
// by pointer.
func (s *keySet) heir(next *keySet) *keySet {
	if s == nil {
		return next
	}
	same := len(s.keys) == len(next.keys)
	for kid, k := range next.keys {
		old := s.keys[kid]
		if old == nil || !old.equal(k) {
			same = false
			continue
		}
		next.keys[kid] = old
	}
	if same {
		return s
	}
	return next
}
