package login

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238 as authenticator apps speak it; HMAC does not need more.
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// cookieCode holds the secret of the authenticator app that a person confirms with in
// this browser, sealed.
const cookieCode = "__Host-vigil-code"

// codeStep is how long a code counts, codeSecretBytes what an app is given (RFC 4226,
// section 4, requirement 6 asks for 160 bits).
const (
	codeStep        = 30 * time.Second
	codeSecretBytes = 20
)

// heldCode is what a code cookie says.
type heldCode struct {
	Subject string `json:"u"` // Pseudonym.
	Secret  []byte `json:"s"`
}

// newCodeSecret is what an app is given.
func newCodeSecret() []byte {
	b := make([]byte, codeSecretBytes)
	_, _ = rand.Read(b) // Never fails, or the process ends.
	return b
}

// codeAt is the code of a step (RFC 4226, section 5.3; RFC 6238): six digits.
func codeAt(secret []byte, step uint64) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, step))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

// codeMatches finds the step of a code: now, the one before or the one after (RFC
// 6238, section 5.2).
func codeMatches(secret []byte, code string, now time.Time) (step uint64, ok bool) {
	current := uint64(now.Unix()) / uint64(codeStep/time.Second)
	for _, s := range []uint64{current - 1, current, current + 1} {
		if subtle.ConstantTimeCompare([]byte(codeAt(secret, s)), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// codeOf is the secret of a browser's authenticator app; nil where it has none.
func (l *Login) codeOf(r *http.Request, subject string) []byte {
	b, err := l.ring.open(purposeCode, one(r, cookieCode))
	if err != nil {
		return nil
	}
	var c heldCode
	if json.Unmarshal(b, &c) != nil || c.Subject != subject || len(c.Secret) != codeSecretBytes {
		return nil
	}
	return c.Secret
}

func (l *Login) sealCode(subject string, secret []byte) (*http.Cookie, error) {
	b, err := json.Marshal(heldCode{Subject: subject, Secret: secret}) //nolint:gosec // It is sealed at once.
	if err != nil {
		return nil, fmt.Errorf("encode code: %w", err)
	}
	return cookie(cookieCode, l.ring.seal(purposeCode, b), deviceFor), nil
}

// checkCode takes a code once, and few wrong ones. The error is a *fault.
func (l *Login) checkCode(session string, secret []byte, code string) error {
	now := l.now()
	if !l.live.try(session, now) {
		return faultOf(CodeConfirm, "too many tries")
	}
	step, ok := codeMatches(secret, code, now)
	if !ok {
		return faultOf(CodeConfirm, "another code")
	}
	if !l.factors.first(fmt.Sprintf("code\x00%x\x00%d", secret, step), 4*codeStep) {
		return faultOf(CodeConfirm, "used before")
	}
	return nil
}

// appSecret is a secret as people type it, and appLink as an app on the same device
// takes it.
func appSecret(secret []byte) string {
	text := base32.StdEncoding.EncodeToString(secret)
	out := ""
	for len(text) > 4 {
		out, text = out+text[:4]+" ", text[4:]
	}
	return out + text
}

func appLink(host, shown string, secret []byte) string {
	q := url.Values{"secret": {base32.StdEncoding.EncodeToString(secret)}, "issuer": {host}}
	return (&url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + host + ":" + shown, RawQuery: q.Encode()}).String()
}
