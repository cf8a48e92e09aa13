package event

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// Names turns what people and providers call things into the pseudonyms that
// travel: HMAC-SHA256 under the tenant key, cut to 128 bits, base64url. Each
// kind of name has a domain of its own, so that a subject never equals a
// session. A Names is immutable and safe for concurrent use.
type Names struct{ key []byte }

// NewNames returns the names of a tenant. The key has at least 32 bytes.
func NewNames(key []byte) (Names, error) {
	if len(key) < 32 {
		return Names{}, errors.New("tenant key: needs at least 32 bytes")
	}
	return Names{key: bytes.Clone(key)}, nil
}

// Subject is the pseudonym of who acts.
func (n Names) Subject(issuer, sub string) string { return n.hash("subject", issuer, sub) }

// Session is the pseudonym of one authenticated use; id is the sid, else the
// jti, else the token's signing input.
func (n Names) Session(issuer, id string) string { return n.hash("session", issuer, id) }

// Token is the pseudonym of a token's jti.
func (n Names) Token(issuer, jti string) string { return n.hash("token", issuer, jti) }

// Account is the pseudonym of a login name that was tried.
func (n Names) Account(name string) string { return n.hash("account", name) }

func (n Names) hash(domain string, parts ...string) string {
	mac := hmac.New(sha256.New, n.key)
	mac.Write([]byte(domain))
	for _, p := range parts {
		mac.Write([]byte{0})
		mac.Write([]byte(p))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:pseudonymBytes])
}

// pseudonymBytes is what a pseudonym encodes.
const pseudonymBytes = 16

// Pseudonym reports whether a text can be what a [Names] has made: the 22 characters of
// base64url that encode 128 bits, with nothing in the bits that are left of the last one.
func Pseudonym(text string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	// Line breaks are passed over by the decoder.
	return err == nil && len(b) == pseudonymBytes && len(text) == base64.RawURLEncoding.EncodedLen(pseudonymBytes)
}

// SupportCode is the short code that a refused client is shown for an event,
// verdict or request id: VG- and eight characters of Crockford's base 32, 40
// bits, enough to find one refusal among a day's.
func SupportCode(id string) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	text := append(make([]byte, 0, 64), "support\x00"...) // Every request has one: an id of ours needs no more memory.
	sum := sha256.Sum256(append(text, id...))
	bits := uint64(sum[0])<<32 | uint64(binary.BigEndian.Uint32(sum[1:5]))
	code := [12]byte{0: 'V', 1: 'G', 2: '-', 7: '-'}
	for i, place := range [8]int{3, 4, 5, 6, 8, 9, 10, 11} {
		code[place] = alphabet[bits>>(35-5*i)&31]
	}
	return string(code[:])
}
