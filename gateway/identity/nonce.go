package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// nonces makes and checks DPoP nonces without keeping any: a nonce is the number
// of a span of time and its HMAC under a key that this gateway has drawn at
// start. So it is good here, at no other gateway, and for one to two spans.
type nonces struct {
	key  [32]byte
	span time.Duration
}

// nonceMACBytes of the HMAC are kept: nobody can try 2^128 of them.
const nonceMACBytes = 16

func newNonces(span time.Duration) *nonces {
	n := &nonces{span: span}
	_, _ = rand.Read(n.key[:]) // Never fails: crypto/rand crashes the program instead.
	return n
}

// at is the nonce of the span that t is in, less back spans.
func (n *nonces) at(t time.Time, back int64) string {
	b := make([]byte, 8, 8+nonceMACBytes)
	binary.BigEndian.PutUint64(b, uint64(t.UnixNano()/int64(n.span)-back))
	mac := hmac.New(sha256.New, n.key[:])
	mac.Write([]byte("dpop nonce"))
	mac.Write(b)
	return base64.RawURLEncoding.EncodeToString(append(b, mac.Sum(nil)[:nonceMACBytes]...))
}

// check compares the nonce of a proof, empty for none. It returns the nonce to go
// on with, empty where the proof's is the newest. The error is an [Error] that
// carries a nonce.
func (n *nonces) check(got string, now time.Time) (next string, err error) {
	newest := n.at(now, 0)
	switch {
	case hmac.Equal([]byte(got), []byte(newest)):
		return "", nil
	case hmac.Equal([]byte(got), []byte(n.at(now, 1))):
		return newest, nil
	}
	e := fault(CodeProofNonce, "Use the nonce of this answer in the DPoP proof")
	e.Nonce = newest
	return "", e
}
