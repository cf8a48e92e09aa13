package identity

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// claims are what a token says, each of the right type. Nothing here is true
// before the signature has been checked.
type claims struct {
	issuer, subject     string
	audiences           []string
	expires, notBefore  time.Time // notBefore is zero where absent.
	issuedAt, authTime  time.Time // Zero where absent.
	tokenID, session    string
	clientID, acr, kind string
	scopes, amr         []string
	bound, clientGrant  bool
}

// reader collects claims and the first thing that is wrong with them.
type reader struct {
	o   object
	err *Error
}

func (r *reader) fail(name, why string) {
	if r.err == nil {
		r.err = fault(CodeMalformed, "The claim "+name+" "+why)
	}
}

// name reads a text of at most [NameBytesMax]; empty where absent.
func (r *reader) name(claim string) string {
	v := r.o.get(claim)
	if v == nil {
		return ""
	}
	s, ok := text(v)
	if !ok || len(s) > NameBytesMax {
		r.fail(claim, "is not a short text")
	}
	return s
}

// time reads a NumericDate (RFC 7519 section 2), fractions cut off.
func (r *reader) time(claim string) time.Time {
	v := r.o.get(claim)
	if v == nil {
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(string(v), 64)
	if err != nil || seconds < 0 || seconds > clockRangeMax || v[0] == '"' {
		r.fail(claim, "is not a time")
		return time.Time{}
	}
	return time.Unix(int64(math.Floor(seconds)), 0).UTC()
}

// list reads texts: an array of them, or one text, which split may divide.
func (r *reader) list(claim string, split bool) []string {
	v := r.o.get(claim)
	if v == nil {
		return nil
	}
	s, ok := text(v)
	if ok && split {
		list := strings.Fields(s)
		if len(list) > ListMax {
			r.fail(claim, "has too many entries")
		}
		return list
	}
	if ok {
		return []string{s}
	}
	list, ok := texts(v)
	if !ok {
		r.fail(claim, "is neither a text nor a short list of texts")
	}
	return list
}

// read takes the claims that an issuer's tokens carry.
func (is *issuer) read(o object) (claims, error) {
	r := reader{o: o}
	c := claims{
		issuer: r.name("iss"), subject: r.name("sub"), audiences: r.list("aud", false),
		expires: r.time("exp"), notBefore: r.time("nbf"), issuedAt: r.time("iat"), authTime: r.time("auth_time"),
		tokenID: r.name("jti"), session: r.name(is.spec.SessionClaim),
		clientID: r.name("client_id"), acr: r.name("acr"), amr: r.list("amr", false),
		bound: o.get("cnf") != nil,
	}
	if c.clientID == "" {
		c.clientID = r.name("azp")
	}
	switch {
	case is.spec.ScopeClaim != "":
		c.scopes = r.list(is.spec.ScopeClaim, true)
	case o.get("scope") != nil:
		c.scopes = r.list("scope", true)
	default:
		c.scopes = r.list("scp", true)
	}
	if is.spec.KindClaim != "" {
		c.kind = r.name(is.spec.KindClaim)
	}
	grant, _ := text(o.get("gty"))
	c.clientGrant = grant == "client-credentials" || grant == "client_credentials"
	switch {
	case c.subject == "":
		r.fail("sub", "is missing")
	case o.get("exp") == nil:
		r.fail("exp", "is missing")
	}
	if r.err != nil {
		return claims{}, r.err
	}
	return c, nil
}

// check compares claims with what the issuer is configured for and the clock.
func (is *issuer) check(p parsed, c claims, now time.Time) error {
	leeway := is.spec.Leeway
	switch {
	case c.issuer != is.spec.Issuer:
		return fault(CodeIssuer, "The token's issuer is not known")
	case !slices.Contains(is.spec.Algorithms, p.alg):
		return fault(CodeAlgorithm, "The token's algorithm is not accepted")
	case !is.takesType(p):
		return fault(CodeType, "The token is of another type")
	case !slices.ContainsFunc(c.audiences, func(a string) bool { return slices.Contains(is.spec.Audiences, a) }):
		return fault(CodeAudience, "The token is for somebody else")
	case c.bound:
		return fault(CodeBound, "The token is bound to a key and cannot be used as a bearer token")
	case !now.Before(is.until(c)):
		return fault(CodeExpired, "The token has expired")
	case is.spec.MaxTokenAge > 0 && c.issuedAt.IsZero():
		return fault(CodeMalformed, "The claim iat is missing")
	case now.Before(c.notBefore.Add(-leeway)), now.Before(c.issuedAt.Add(-leeway)), now.Before(c.authTime.Add(-leeway)):
		return fault(CodeNotYetValid, "The token is not valid yet")
	}
	return nil
}

// until is when a token stops being accepted.
func (is *issuer) until(c claims) time.Time {
	t := c.expires
	if is.spec.MaxTokenAge > 0 && !c.issuedAt.IsZero() && c.issuedAt.Add(is.spec.MaxTokenAge).Before(t) {
		t = c.issuedAt.Add(is.spec.MaxTokenAge)
	}
	return t.Add(is.spec.Leeway)
}

// takesType compares the header typ as RFC 7515 section 4.1.9 says: without
// regard to case, and with application/ in front or not.
func (is *issuer) takesType(p parsed) bool {
	typ := strings.ToLower(p.typ)
	typ = strings.TrimPrefix(typ, "application/")
	return slices.ContainsFunc(is.spec.Types, func(t string) bool {
		if t == "none" {
			return !p.hasType
		}
		return p.hasType && strings.EqualFold(t, typ)
	})
}

// identity gives the names in a verified token their pseudonyms.
func (is *issuer) identity(names event.Names, p parsed, c claims) Identity {
	id := Identity{
		Tenant: is.spec.Tenant, Issuer: c.issuer, Subject: names.Subject(c.issuer, c.subject),
		ClientID: c.clientID, Scopes: c.scopes, ACR: c.acr, AMR: c.amr,
		AuthTime: c.authTime, IssuedAt: c.issuedAt, Expires: c.expires,
		Binding: event.BindingNone, Method: MethodJWT, Kind: is.kindOf(c),
	}
	token := c.tokenID
	if token == "" {
		token = p.signing
	}
	id.TokenID = names.Token(c.issuer, token)
	id.Session = names.Session(c.issuer, token)
	if c.session != "" {
		id.Aliases = []string{id.Session}
		id.Session = names.Session(c.issuer, c.session)
	}
	return id
}

// kindOf tells services and agents from people. A token that a client got for
// itself names itself as the subject (RFC 9068 section 2.2).
func (is *issuer) kindOf(c claims) string {
	switch {
	case c.kind != "" && slices.Contains(is.spec.AgentValues, c.kind):
		return event.SubjectAgent
	case c.kind != "" && slices.Contains(is.spec.ServiceValues, c.kind), c.clientGrant, c.clientID == c.subject:
		return event.SubjectService
	}
	return event.SubjectHuman
}
