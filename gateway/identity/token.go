package identity

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
)

// signed is a JWS in compact form whose form is beyond doubt and whose content
// is not.
type signed struct {
	header, claims object
	signature      []byte
	signing        string // Header and payload as they stand in the token.
}

// parseSigned reads a JWS in compact form. The error is an [Error].
func parseSigned(token string) (signed, error) {
	if strings.IndexByte(token, ' ') >= 0 || strings.IndexByte(token, ',') >= 0 {
		return signed{}, fault(CodeMalformed, "Send one token and nothing else")
	}
	switch strings.Count(token, ".") {
	case 2:
	case 4:
		return signed{}, fault(CodeEncrypted, "Encrypted tokens are not accepted")
	default:
		return signed{}, fault(CodeMalformed, "The token is not a JWT in compact form")
	}
	s := signed{signing: token[:strings.LastIndexByte(token, '.')]}
	head, body, _ := strings.Cut(s.signing, ".")
	var err error
	s.header, err = decodeObject(head, HeaderBytesMax)
	if err != nil {
		return signed{}, err
	}
	s.signature, err = decode64(token[len(s.signing)+1:])
	if err != nil {
		return signed{}, err
	}
	s.claims, err = decodeObject(body, TokenBytesMax)
	if err != nil {
		return signed{}, err
	}
	return s, nil
}

// parsed is a token whose form is beyond doubt and whose content is not.
type parsed struct {
	signed

	alg, kid, typ string
	hasType       bool
}

// parse reads a token in compact form. The error is an [Error].
func parse(token string) (parsed, error) {
	if len(token) > TokenBytesMax {
		return parsed{}, fault(CodeTooLarge, "The token is too large")
	}
	s, err := parseSigned(token)
	if err != nil {
		return parsed{}, err
	}
	p := parsed{signed: s}
	err = p.readHeader(s.header)
	if err != nil {
		return parsed{}, err
	}
	return p, nil
}

// decodeObject reads one part of a token as an object.
func decodeObject(part string, bytesMax int) (object, error) {
	text, err := decode64(part)
	if err != nil {
		return nil, err
	}
	if len(text) > bytesMax {
		return nil, fault(CodeTooLarge, "The token's header is too large")
	}
	o, err := parseObject(text)
	switch {
	case errors.Is(err, errDuplicate):
		return nil, fault(CodeDuplicateMember, "The token names a member twice")
	case err != nil:
		return nil, fault(CodeMalformed, "The token is not JSON that can be read in one way only")
	}
	return o, nil
}

// decode64 reads canonical base64url: no padding, no line breaks (which Go's
// decoder would skip), no bits left over.
func decode64(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, fault(CodeMalformed, "The token is not canonical base64url")
	}
	return b, nil
}

// readHeader takes what is allowed in a header and refuses what asks to be
// trusted: keys that the token brings along, extensions that must be understood.
func (p *parsed) readHeader(h object) error {
	for _, m := range h {
		switch m.name {
		case "jku", "x5u", "jwk", "x5c":
			return fault(CodeHeaderKey, "The token must not bring its own key")
		case "crit", "b64":
			return fault(CodeCritical, "The token needs an extension that is not supported")
		case "enc", "zip", "epk", "p2c", "p2s":
			return fault(CodeEncrypted, "Encrypted tokens are not accepted")
		}
	}
	alg, ok := text(h.get("alg"))
	if !ok {
		return fault(CodeMalformed, "The token names no algorithm")
	}
	if !slices.Contains(algorithms(), alg) {
		return fault(CodeAlgorithm, "The token's algorithm is not accepted")
	}
	p.alg = alg
	if h.get("typ") != nil {
		p.typ, p.hasType = text(h.get("typ"))
		if !p.hasType {
			return fault(CodeMalformed, "The token's type is not text")
		}
	}
	kid := h.get("kid")
	if kid == nil {
		return fault(CodeKeyUnknown, "The token names no key")
	}
	p.kid, ok = text(kid)
	if !ok || p.kid == "" || len(p.kid) > NameBytesMax {
		return fault(CodeMalformed, "The token's key id is not a short text")
	}
	return nil
}
