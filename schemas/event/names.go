package event

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
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
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// SupportCode is the short code that a refused client is shown for an event,
// verdict or request id: VG- and eight characters of Crockford's base 32, 40
// bits, enough to find one refusal among a day's.
func SupportCode(id string) string {
	sum := sha256.Sum256([]byte("support\x00" + id))
	s := base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding).EncodeToString(sum[:5])
	return "VG-" + s[:4] + "-" + s[4:]
}
