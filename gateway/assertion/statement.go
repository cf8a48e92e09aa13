package assertion

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Risk levels, in the words of OpenID CAEP 1.0, section 3.8.
const (
	RiskLow    = "LOW"    // No verdict is in force.
	RiskMedium = "MEDIUM" // The session is being observed.
	RiskHigh   = "HIGH"   // The session is throttled, read-only or to step up.
)

// RiskLevel is the level that a verdict's action stands for; "" is no verdict.
func RiskLevel(action string) string {
	switch action {
	case "":
		return RiskLow
	case verdict.ActionObserve:
		return RiskMedium
	}
	return RiskHigh
}

// statement is what one assertion says, apart from when. Comparable.
type statement struct {
	audience, tenant, idp, subject, session, client, kind string

	acr, amr, binding, device, scope, risk string

	authTime int64 // Seconds since the epoch, 0 where unknown.
}

// state makes the statement about an identity towards an upstream.
func state(id *identity.Identity, device, action string, upstream *url.URL) statement {
	s := statement{
		audience: Audience(upstream), tenant: id.Tenant, idp: id.Issuer, subject: id.Subject, session: id.Session,
		client: id.ClientID, kind: id.Kind, acr: id.ACR, amr: words(id.AMR), binding: id.Binding,
		device: device, scope: words(id.Scopes), risk: RiskLevel(action),
	}
	if !id.AuthTime.IsZero() {
		s.authTime = id.AuthTime.Unix()
	}
	return s
}

// words joins what is one word each (RFC 6749, section 3.3) by spaces, and leaves out
// what is not: of a group "friends admin" the upstream would make two scopes.
func words(list []string) string {
	if slices.ContainsFunc(list, isNoWord) {
		list = slices.DeleteFunc(slices.Clone(list), isNoWord)
	}
	return strings.Join(list, " ")
}

func isNoWord(s string) bool {
	return s == "" || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' })
}

// Audience is how an upstream is named in "aud": its origin, as routes write it.
func Audience(upstream *url.URL) string {
	return upstream.Scheme + "://" + strings.ToLower(upstream.Host)
}

// claims are the members of the JWT; what is not known is left out.
func (s statement) claims(issuer string, now time.Time, ttl time.Duration) map[string]any {
	c := map[string]any{
		"iss": issuer, "aud": s.audience, "sub": s.subject, "iat": now.Unix(), "exp": now.Add(ttl).Unix(),
		"risk_level": s.risk,
	}
	for name, value := range map[string]string{
		"tenant": s.tenant, "idp": s.idp, "sid": s.session, "client_id": s.client, "subject_kind": s.kind,
		"acr": s.acr, "binding": s.binding, "device": s.device, "scope": s.scope,
	} {
		if value != "" {
			c[name] = value
		}
	}
	if s.amr != "" {
		c["amr"] = strings.Fields(s.amr)
	}
	if s.authTime != 0 {
		c["auth_time"] = s.authTime
	}
	return c
}
