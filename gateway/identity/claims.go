package identity

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	actor               string // Empty where the subject acts.
	scopes, amr, roles  []string
	confirm             confirmation
	clientGrant         bool
}

// seen are claims that were verified at now, their times by our clock. Whoever has a
// token now has proved himself by now, whatever a clock that is ahead wrote into it: else
// he would have done so after a verdict that is made before that time comes, and outlive
// it. A token that is first seen when the time in it has come is held to what others of
// its issuer have shown; see [lead].
//
// Where none has shown anything lately, as at a gateway that has just started, whoever
// signed in at a provider whose clock is ahead outlives the verdicts of as many seconds,
// [Issuer.Leeway] at the most, since a token from further ahead is refused. To take the
// leeway off every token would close that, and would refuse for a minute each person who
// has just done what a verdict asked for, at every provider whose clock is right. What a
// session cookie says was settled once, at the sign-in, and is the same at all gateways.
func (is *issuer) seen(c claims, now time.Time) claims {
	ahead := is.lead.learn(c.issuedAt, now)
	now = now.UTC().Truncate(time.Second)
	ours := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		t = t.Add(-ahead)
		if t.After(now) {
			return now
		}
		return t
	}
	c.authTime, c.issuedAt = ours(c.authTime), ours(c.issuedAt)
	return c
}

// lead is how far an issuer's clock is ahead of ours at least, as its tokens have shown
// lately that came before the time at which they were made.
type lead struct {
	mu sync.Mutex
	by time.Duration
	at time.Time // When a token has shown as much.
}

// learn looks at one more token, and returns what is known by then. Both times may have
// lost almost a second, so that one shows less than it seems to: nobody's proof is dated
// back by more than the clocks differ.
func (l *lead) learn(issuedAt, now time.Time) time.Duration {
	shown := time.Duration(0)
	if !issuedAt.IsZero() {
		shown = max(issuedAt.Sub(now.Truncate(time.Second))-time.Second, 0)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if shown >= l.by || now.Sub(l.at) > leadKept {
		l.by, l.at = shown, now
	}
	return l.by
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
		list := SplitScopes(s)
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

// SplitScopes divides a list of scopes at its spaces and at nothing else (RFC 6749
// section 3.3): at a tab, or at a space of another alphabet, its issuer has not
// divided it.
func SplitScopes(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' })
}

// actor reads who acts in the subject's place (RFC 8693 section 4.1). Of a chain
// only the outermost is of use: the others have no part in this request.
func (r *reader) actor() string {
	v := r.o.get("act")
	if v == nil {
		return ""
	}
	o, err := parseObject(v)
	if err != nil {
		r.fail("act", "is not an object")
		return ""
	}
	inner := reader{o: o}
	for _, claim := range []string{"sub", "client_id"} {
		name := inner.name(claim)
		if name != "" && inner.err == nil {
			return name
		}
	}
	r.fail("act", "names nobody")
	return ""
}

// roles reads the list at a path of names with dots between them, such as
// realm_access.roles. A claim whose own name has dots is found, too.
func (r *reader) roles(path string) []string {
	if path == "" {
		return nil
	}
	at := *r
	for at.o.get(path) == nil {
		head, rest, more := strings.Cut(path, ".")
		v := at.o.get(head)
		if !more || v == nil {
			return nil
		}
		o, err := parseObject(v)
		if err != nil {
			return nil // Not this issuer's form of a token: it has no roles.
		}
		at.o, path = o, rest
	}
	list := at.list(path, false)
	r.err = at.err
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
		confirm: readConfirmation(o.get("cnf")),
	}
	c.actor = r.actor()
	c.roles = r.roles(is.spec.RoleClaim)
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
	asked := is.ask != nil
	kind, _ := text(o.get("token_type"))
	switch {
	case asked && strings.EqualFold(kind, "DPoP") && c.confirm.jkt == "":
		r.fail("cnf", "names no key for DPoP") // RFC 9449 section 6.2: else it would do as a bearer token.
	case c.subject == "" && (!asked || c.clientID == ""):
		r.fail("sub", "is missing")
	case o.get("exp") == nil && !asked:
		r.fail("exp", "is missing")
	}
	if r.err != nil {
		return claims{}, r.err
	}
	if c.subject == "" {
		c.subject = c.clientID // Of an answer: a client for itself.
	}
	if len(is.spec.ACRValues) > 0 && !slices.Contains(is.spec.ACRValues, c.acr) {
		c.acr = "" // It is not this issuer's to give.
	}
	c.scopes = is.spec.withRoles(c.scopes, c.roles)
	return c, nil
}

// withRoles adds the scopes that roles give. The list is a new one where it grows.
func (is Issuer) withRoles(scopes, roles []string) []string {
	for _, m := range is.RoleScopes {
		if !slices.Contains(roles, m.Role) {
			continue
		}
		for _, s := range m.Scopes {
			if !slices.Contains(scopes, s) {
				scopes = append(slices.Clip(scopes), s)
			}
		}
	}
	return scopes
}

// check compares the token's header with what the issuer is configured for, and
// its claims as well.
func (is *issuer) check(p parsed, c claims, now time.Time) error {
	switch {
	case c.issuer != is.spec.Issuer:
		return fault(CodeIssuer, "The token's issuer is not known")
	case !slices.Contains(is.spec.Algorithms, p.alg):
		return fault(CodeAlgorithm, "The token's algorithm is not accepted")
	case !is.takesType(p), !p.accessToken() && otherKind(p.claims):
		return fault(CodeType, "The token is of another type")
	case !slices.ContainsFunc(c.audiences, func(a string) bool { return slices.Contains(is.spec.Audiences, a) }):
		return fault(CodeAudience, "The token is for somebody else")
	}
	return is.checkClaims(p.claims, c, now)
}

// checkClaims compares what every form of a token has with the configuration
// and the clock.
func (is *issuer) checkClaims(o object, c claims, now time.Time) error {
	leeway := is.spec.Leeway
	for _, r := range is.required {
		if !r.met(o) {
			return fault(CodeClaim, "The token lacks the claim "+r.name+" or has another value in it")
		}
	}
	switch {
	case o.get("exp") != nil && !now.Before(is.until(c)):
		return fault(CodeExpired, "The token has expired")
	case is.spec.MaxTokenAge > 0 && c.issuedAt.IsZero():
		return fault(CodeMalformed, "The claim iat is missing")
	case is.spec.MaxTokenAge > 0 && !now.Before(c.issuedAt.Add(is.spec.MaxTokenAge+leeway)):
		return fault(CodeExpired, "The token is too old")
	case now.Before(c.notBefore.Add(-leeway)), now.Before(c.issuedAt.Add(-leeway)), now.Before(c.authTime.Add(-leeway)):
		return fault(CodeNotYetValid, "The token is not valid yet")
	}
	return nil
}

// requirement is a claim that a token must have, with a value where one is named.
type requirement struct {
	name, value string
	valued      bool
}

// requirements reads NAME and NAME=VALUE.
func requirements(list []string) []requirement {
	out := make([]requirement, 0, len(list))
	for _, s := range list {
		name, value, valued := strings.Cut(s, "=")
		out = append(out, requirement{name: name, value: value, valued: valued})
	}
	return out
}

// met reports whether o has the claim: a text or one of a list of texts that is
// the value, or true for the value "true".
func (r requirement) met(o object) bool {
	v := o.get(r.name)
	if v == nil || string(v) == "null" || !r.valued {
		return v != nil && string(v) != "null"
	}
	s, isText := text(v)
	list, isList := texts(v)
	switch {
	case isText:
		return s == r.value
	case isList:
		return slices.Contains(list, r.value)
	}
	return string(v) == r.value
}

// accessToken reports whether the header says that the token is one (RFC 9068).
func (p parsed) accessToken() bool { return strings.HasSuffix(strings.ToLower(p.typ), "at+jwt") }

// otherKind reports whether claims are those of a token that is none for APIs: an
// ID token (OpenID Connect Core sections 2 and 3.3.2.11), a logout or security
// event token (RFC 8417 section 2.2), or one of those that Keycloak tells apart by
// a claim.
func otherKind(o object) bool {
	for _, claim := range []string{"nonce", "at_hash", "c_hash", "s_hash", "events"} {
		if o.get(claim) != nil {
			return true
		}
	}
	kind, _ := text(o.get("typ"))
	switch strings.ToLower(kind) {
	case "id", "refresh", "offline", "logout", "serialized-id":
		return true
	}
	return false
}

// until is when a token stops being accepted, zero where nothing says.
func (is *issuer) until(c claims) time.Time {
	t := c.expires
	if is.spec.MaxTokenAge > 0 && !c.issuedAt.IsZero() {
		old := c.issuedAt.Add(is.spec.MaxTokenAge)
		if t.IsZero() || old.Before(t) {
			t = old
		}
	}
	if t.IsZero() {
		return t
	}
	return t.Add(is.spec.Leeway)
}

// from is when a token begins to be accepted.
func (is *issuer) from(c claims) time.Time {
	from := c.notBefore
	if c.issuedAt.After(from) {
		from = c.issuedAt
	}
	return from.Add(-is.spec.Leeway)
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

// identity gives the names in a verified token their pseudonyms. unique names
// the token where it has no jti.
func (is *issuer) identity(names event.Names, method, unique string, c claims) Identity {
	n := Plain{Subject: c.subject, Session: c.session, Token: c.tokenID, Actor: c.actor}
	if n.Token == "" {
		n.Token = unique
	}
	return n.Identity(names, Identity{
		Tenant: is.spec.Tenant, Issuer: is.spec.Issuer, ClientID: c.clientID, Scopes: c.scopes, Roles: c.roles, ACR: c.acr, AMR: c.amr,
		AuthTime: c.authTime, IssuedAt: c.issuedAt,
		Binding: event.BindingNone, Method: method, Kind: is.kindOf(c),
	})
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
