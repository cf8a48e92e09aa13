package identity

import (
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// scheme says how a request proves who it acts for.
type scheme uint8

const (
	schemeBearer scheme = iota
	schemeDPoP
	schemeAPIKey
	schemeCertificate
)

// credential is the one credential of a request.
type credential struct {
	scheme scheme
	text   string // The token or API key.
}

// credentialOf returns the one credential of r. Another scheme of Authorization
// is [ErrNone]: it is not ours to judge. Two credentials are refused, never
// chosen from. A client certificate beside a token is none of its own: it is the
// key that the token may be bound to. A token in the URL is never looked at, and refused
// whatever is beside it: the upstream might take it (RFC 6750 section 2), and it has been
// written down on its way.
func (v *Verifier) credentialOf(r *http.Request) (credential, error) {
	if queryToken(r.URL) {
		return credential{}, fault(CodeTokenInURL, "Send the token in the Authorization header, and get another: this one may be in logs")
	}
	values := r.Header["Authorization"]
	if len(values) > 1 {
		return credential{}, fault(CodeMultipleCredentials, "Send exactly one Authorization header")
	}
	if v.apiKeys != nil {
		keys := r.Header[v.apiKeys.header]
		switch {
		case len(keys) > 1, len(keys) == 1 && len(values) > 0:
			return credential{}, fault(CodeMultipleCredentials, "Send one credential, an API key or a token")
		case len(keys) == 1:
			return credential{scheme: schemeAPIKey, text: keys[0]}, nil
		}
	}
	if len(values) == 1 {
		c, err := tokenOf(values[0])
		if err != ErrNone { //nolint:errorlint // Returned as it is.
			return c, err
		}
	}
	if v.certificates != nil && v.certificates.shown(r) {
		return credential{scheme: schemeCertificate}, nil
	}
	return credential{}, ErrNone
}

// IsToken reports whether a value of Authorization is a token, as it stands or as a
// reader could take it that forgives more than RFC 9110 section 11.4: some take a
// tab, a colon or a space of Latin-1 for the space behind the scheme.
func IsToken(value string) bool {
	other := func(c rune) bool { return !httpguts.IsTokenRune(c) }
	scheme := strings.TrimLeftFunc(value, other)
	if end := strings.IndexFunc(scheme, other); end >= 0 {
		scheme = scheme[:end]
	}
	return strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "DPoP")
}

// tokenOf returns the token of one Authorization header.
func tokenOf(value string) (credential, error) {
	name, token, _ := strings.Cut(value, " ")
	c := credential{}
	switch {
	case strings.EqualFold(name, "Bearer"):
	case strings.EqualFold(name, "DPoP"):
		c.scheme = schemeDPoP
	default:
		if IsToken(value) {
			return c, fault(CodeMalformed, "Write one space behind the scheme")
		}
		return c, ErrNone
	}
	c.text = strings.Trim(token, " ") // RFC 9110 section 11.4 allows several spaces.
	if len(c.text) > TokenBytesMax {
		return c, fault(CodeTooLarge, "The token is too large")
	}
	if c.text == "" {
		return c, fault(CodeMalformed, "The token is empty")
	}
	return c, nil
}

// queryToken reports whether a query brings a token, however it is spelt.
func queryToken(u *url.URL) bool {
	if u == nil || u.RawQuery == "" {
		return false
	}
	for pair := range strings.FieldsFuncSeq(u.RawQuery, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		if isTokenName(name) {
			return true
		}
	}
	return false
}

// isTokenName reports whether some upstream takes a name in a query for access_token: in
// any case, as a list, and as PHP makes variables of names, where spaces in front are
// skipped, a NUL ends the name, and a space, a dot and an open bracket are underscores.
func isTokenName(name string) bool {
	const want = "access_token"
	if len(name) < len(want) {
		return false
	}
	name = strings.TrimLeft(unescaped(name), " ")
	name, _, _ = strings.Cut(name, "\x00")
	list, _, _ := strings.Cut(name, "[")
	return strings.EqualFold(strings.Map(asVariable, name), want) || strings.EqualFold(strings.Map(asVariable, list), want)
}

// asVariable is what PHP makes of a letter of a name.
func asVariable(c rune) rune {
	if c == ' ' || c == '.' || c == '[' {
		return '_'
	}
	return c
}

// unescaped undoes percent encoding, and leaves what is none as it stands: so does who
// forgives it.
func unescaped(name string) string {
	if !strings.ContainsAny(name, "%+") {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '%' && i+2 < len(name) {
			plain, err := url.PathUnescape(name[i : i+3])
			if err == nil {
				b.WriteString(plain)
				i += 2
				continue
			}
		}
		if c == '+' {
			c = ' '
		}
		b.WriteByte(c)
	}
	return b.String()
}
