package identity_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// elsewhere is another address than home.
var elsewhere = netip.MustParseAddr("203.0.113.9")

// prover is a client with a DPoP key.
type prover struct {
	alg    string
	key    crypto.Signer
	public map[string]any // Its JWK.
}

func b64bytes(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func proverOf(alg string, key crypto.Signer) prover {
	p := prover{alg: alg, key: key}
	switch k := key.Public().(type) {
	case *ecdsa.PublicKey:
		point := must(k.Bytes())[1:]
		crv := map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[alg]
		p.public = map[string]any{"kty": "EC", "crv": crv, "x": b64bytes(point[:len(point)/2]), "y": b64bytes(point[len(point)/2:])}
	case ed25519.PublicKey:
		p.public = map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64bytes(k)}
	case *rsa.PublicKey:
		p.public = map[string]any{"kty": "RSA", "n": b64bytes(k.N.Bytes()), "e": b64bytes(big.NewInt(int64(k.E)).Bytes())}
	}
	return p
}

func newProver() prover {
	return proverOf("ES256", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
}

// jkt is the key's thumbprint as jwx makes it.
func (p prover) jkt() string {
	key := must(jwk.ParseKey(must(json.Marshal(p.public))))
	return b64bytes(must(key.Thumbprint(crypto.SHA256)))
}

// bound is a good access token that is bound to the key.
func (p prover) bound(k keys) string {
	return k.sign(`{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}`, swap(claims, `"jti"`, `"cnf":{"jkt":"`+p.jkt()+`"},"jti"`))
}

// parts of a proof that tests change.
type parts struct{ header, claims map[string]any }

var proofs int

// proof signs a proof for a GET of https://api.test/orders, after change.
func (p prover) proof(token string, change ...func(*parts)) string {
	proofs++
	ath := sha256.Sum256([]byte(token))
	x := &parts{
		header: map[string]any{"typ": "dpop+jwt", "alg": p.alg, "jwk": maps.Clone(p.public)},
		claims: map[string]any{"jti": fmt.Sprint("proof-", proofs), "htm": "GET", "htu": "https://api.test/orders", "iat": clock, "ath": b64bytes(ath[:])},
	}
	for _, f := range change {
		f(x)
	}
	return p.signJWS(string(must(json.Marshal(x.header))), string(must(json.Marshal(x.claims))))
}

func (p prover) signJWS(header, claims string) string {
	signing := b64(header) + "." + b64(claims)
	return signing + "." + b64bytes(p.sign([]byte(signing)))
}

func (p prover) sign(signing []byte) []byte {
	hash := map[string]crypto.Hash{"ES256": crypto.SHA256, "ES384": crypto.SHA384, "ES512": crypto.SHA512, "RS256": crypto.SHA256, "PS256": crypto.SHA256}[p.alg]
	switch key := p.key.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(key, signing)
	case *rsa.PrivateKey:
		h := hash.New()
		h.Write(signing)
		if p.alg == "PS256" {
			return must(rsa.SignPSS(rand.Reader, key, hash, h.Sum(nil), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(nil, key, hash, h.Sum(nil)))
	case *ecdsa.PrivateKey:
		h := hash.New()
		h.Write(signing)
		r, s, err := ecdsa.Sign(rand.Reader, key, h.Sum(nil))
		size := (key.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		must(0, err)
		r.FillBytes(out[:size])
		s.FillBytes(out[size:])
		return out
	}
	return nil
}

// shown is a GET of https://api.test/orders with a token and proofs.
func shown(scheme, token string, proofs ...string) *http.Request {
	r := &http.Request{
		Method: "GET", URL: must(url.Parse("/orders")), Host: "api.test", TLS: &tls.ConnectionState{},
		Header: http.Header{"Authorization": {scheme + " " + token}},
	}
	if len(proofs) > 0 {
		r.Header["Dpop"] = proofs
	}
	return r
}

// set changes a claim of a proof, removed where value is nil.
func set(name string, value any) func(*parts) {
	return func(x *parts) { putMember(x.claims, name, value) }
}

func setHeader(name string, value any) func(*parts) {
	return func(x *parts) { putMember(x.header, name, value) }
}

func putMember(m map[string]any, name string, value any) {
	if value == nil {
		delete(m, name)
		return
	}
	m[name] = value
}
