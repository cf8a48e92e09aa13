package verdict

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// EnvelopeBytesMax bounds a signed record: a verdict with twenty pieces of
// evidence is below 8 KiB, a heartbeat of 8,192 lanes below 512 KiB.
const EnvelopeBytesMax = 1 << 20

// Types of envelope, the header member typ.
const (
	typVerdict   = "vigil-verdict+pb"
	typHeartbeat = "vigil-heartbeat+pb"
)

// Errors of [KeySet.Open]. Each is a reason to refuse and count a record.
var (
	ErrUnsigned   = errors.New("not a signed envelope")
	ErrUnknownKey = errors.New("signed by an unknown key")
	ErrSignature  = errors.New("wrong signature")
	ErrAuthority  = errors.New("key may not sign for this authority")
	ErrMalformed  = errors.New("malformed verdict")
	ErrExpired    = errors.New("verdict has expired")
	ErrFuture     = errors.New("verdict is dated in the future")
)

// Signer signs verdicts and heartbeats with one key. Immutable, safe for
// concurrent use.
type Signer struct {
	kid string
	key ed25519.PrivateKey
}

// NewSigner returns a signer for a key pair that the key set lists as kid.
func NewSigner(kid string, key ed25519.PrivateKey) Signer { return Signer{kid: kid, key: key} }

// Kid is the id of the signer's key.
func (s Signer) Kid() string { return s.kid }

// Verdict sets v.Kid and returns its envelope.
func (s Signer) Verdict(v *Verdict) ([]byte, error) {
	v.Kid = s.kid
	return s.sign(typVerdict, v)
}

// Heartbeat sets h.Kid and returns its envelope.
func (s Signer) Heartbeat(h *Heartbeat) ([]byte, error) {
	h.Kid = s.kid
	return s.sign(typHeartbeat, h)
}

func (s Signer) sign(typ string, m interface{ MarshalVT() ([]byte, error) }) ([]byte, error) {
	payload, err := m.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", typ, err)
	}
	return sign(typ, s.kid, s.key, payload)
}

func sign(typ, kid string, key ed25519.PrivateKey, payload []byte) ([]byte, error) {
	h := jws.NewHeaders()
	err := errors.Join(h.Set(jws.TypeKey, typ), h.Set(jws.KeyIDKey, kid))
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", typ, err)
	}
	env, err := jws.Sign(payload, jws.WithKey(jwa.EdDSA, key, jws.WithProtectedHeaders(h)))
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", typ, err)
	}
	return env, nil
}

// Message is what an envelope held: exactly one of the two is set.
type Message struct {
	Verdict   *Verdict
	Heartbeat *Heartbeat
}

// Open verifies an envelope by any listed key and only then decodes it. It does not
// look at until: a verdict that has lapsed is authentic, see [Verdict.Live].
func (k *KeySet) Open(record []byte) (Message, error) { return openMessage(record, k.listed) }

func openMessage(record []byte, find func(kid string) (Key, error)) (Message, error) {
	if len(record) > EnvelopeBytesMax {
		return Message{}, fmt.Errorf("open envelope of %d B: %w", len(record), ErrUnsigned)
	}
	typ, key, payload, err := open(record, find)
	if err != nil {
		return Message{}, err
	}
	switch typ {
	case typVerdict:
		v := new(Verdict)
		err = proto.Unmarshal(payload, v) // Stricter than the fast decoder: UTF-8, well-formed groups.
		if err != nil {
			return Message{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if !key.Class.signs(v.Authority) || len(v.Clears) > 0 && key.Class != ClassOperator {
			return Message{}, fmt.Errorf("key %q of class %s, authority %q: %w", key.ID, key.Class, v.Authority, ErrAuthority)
		}
		return Message{Verdict: v}, errors.Join(v.check(), canonical(v, payload))
	case typHeartbeat:
		h := new(Heartbeat)
		err = proto.Unmarshal(payload, h)
		if err != nil {
			return Message{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if !key.Class.signs(h.Authority) {
			return Message{}, fmt.Errorf("key %q of class %s, authority %q: %w", key.ID, key.Class, h.Authority, ErrAuthority)
		}
		return Message{Heartbeat: h}, nil
	}
	return Message{}, fmt.Errorf("typ %q: %w", typ, ErrUnsigned)
}

// ClaimedEpoch is the epoch that the envelope of a heartbeat states, which nobody has
// verified: whoever knows of as high a one need not verify it. It is false where the
// record does not begin as our encoder's do.
func ClaimedEpoch(record []byte) (epoch uint64, ok bool) {
	_, rest, _ := bytes.Cut(record, []byte("."))
	text, _, _ := bytes.Cut(rest[:min(len(rest), claimChars)], []byte("."))
	var head [claimChars]byte
	n, err := base64.RawURLEncoding.Decode(head[:], text[:len(text)/4*4])
	if err != nil {
		return 0, false
	}
	for b := head[:n]; len(b) > 0; {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, false
		}
		if number == epochField && kind == protowire.VarintType {
			epoch, n = protowire.ConsumeVarint(b[n:])
			return epoch, n > 0
		}
		b = b[n:]
		n = protowire.ConsumeFieldValue(number, kind, b)
		if n < 0 {
			return 0, false
		}
		b = b[n:]
	}
	return 0, false
}

const (
	epochField = 2 // Of Heartbeat.
	// claimChars hold the heartbeat's time and epoch, which come first.
	claimChars = 64
)

// open verifies one JWS in compact form: EdDSA only, exactly one signature, a
// known key, and no critical header that we would not understand.
func open(record []byte, find func(kid string) (Key, error)) (typ string, key Key, payload []byte, err error) {
	if !compact(record) {
		return "", Key{}, nil, ErrUnsigned
	}
	msg, err := jws.Parse(record, jws.WithCompact())
	if err != nil || len(msg.Signatures()) != 1 {
		return "", Key{}, nil, ErrUnsigned
	}
	h := msg.Signatures()[0].ProtectedHeaders()
	if h.Algorithm() != jwa.EdDSA || len(h.Critical()) > 0 {
		return "", Key{}, nil, fmt.Errorf("alg %q: %w", h.Algorithm(), ErrUnsigned)
	}
	key, err = find(h.KeyID())
	if err != nil {
		return "", Key{}, nil, fmt.Errorf("kid %q: %w", h.KeyID(), err)
	}
	// What was signed are the bytes that were parsed: nothing is parsed a second time.
	signing := record[:bytes.LastIndexByte(record, '.')]
	if len(key.Public) != ed25519.PublicKeySize || !ed25519.Verify(key.Public, signing, msg.Signatures()[0].Signature()) {
		return "", Key{}, nil, fmt.Errorf("kid %q: %w", key.ID, ErrSignature)
	}
	return h.Type(), key, msg.Payload(), nil
}

// compact reports whether record has only the bytes of a JWS in compact form.
// Base64 decoders skip line ends, and an envelope is a line of a file: one with
// a line end inside would verify here and be torn there.
func compact(record []byte) bool {
	for _, c := range record {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// canonical reports whether a verdict's bytes are those that its encoder writes. In
// any other form, such as a target given twice, two decoders may read two verdicts:
// one now, and another from the file after a restart.
func canonical(v *Verdict, payload []byte) error {
	b, err := v.MarshalVT()
	if err == nil && !bytes.Equal(b, payload) {
		err = errors.New("its bytes are not in canonical form")
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// check reports what is missing in an authentic verdict.
func (x *Verdict) check() error {
	switch {
	case x.Id == "" || x.Target.GetKind() == "" || x.Target.GetId() == "":
		return fmt.Errorf("id or target is empty: %w", ErrMalformed)
	case strings.ContainsRune(x.Tenant+x.Target.GetKind()+x.Target.GetId(), 0):
		return fmt.Errorf("tenant or target holds a NUL, which separates keys: %w", ErrMalformed)
	case x.Time == nil || !x.Time.IsValid():
		return fmt.Errorf("time is missing: %w", ErrMalformed)
	case x.NotBefore != nil && !x.NotBefore.IsValid():
		return fmt.Errorf("not_before is out of range: %w", ErrMalformed)
	case Strength(x.Action) < 0:
		return fmt.Errorf("action %q: %w", x.Action, ErrMalformed)
	case x.Until == nil || !x.Until.IsValid():
		return fmt.Errorf("until is missing: %w", ErrMalformed)
	}
	return nil
}

// Future reports whether the verdict is dated later than any clock in use may be. An
// operator's place in the order is his time, so one from the future would outrank
// all that operators say until then.
func (x *Verdict) Future(now time.Time) bool { return x.GetTime().AsTime().After(now.Add(ClockSkew)) }

// Live reports whether the verdict still holds at now.
func (x *Verdict) Live(now time.Time) bool { return now.Before(x.GetUntil().AsTime()) }
