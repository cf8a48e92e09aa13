package login

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// backchannelEvent is what a logout token is about, and nothing else is.
const backchannelEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutToken is what a provider says has ended, checked.
type logoutToken struct {
	ID, SID, Subject string
	IssuedAt         int64 // Unix seconds.
}

// texts reads aud: one text or several.
type texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = texts{s}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t)) //nolint:wrapcheck // The decoder wraps it.
}

// authorOf finds the provider that a token claims to come from. Nothing that it
// says is believed yet.
func (l *Login) authorOf(token string) (*provider, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > identity.TokenBytesMax {
		return nil, faultOf(CodeLogoutToken, "is not a JWT in compact form")
	}
	var c struct {
		Issuer string `json:"iss"`
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(b, &c) != nil {
		return nil, faultOf(CodeLogoutToken, "has no issuer")
	}
	p := l.byIssuer[c.Issuer]
	if p == nil || p.spec.Type != TypeOIDC {
		return nil, faultOf(CodeLogoutToken, "is of an unknown issuer")
	}
	return p, nil
}

// logoutToken checks a logout token (OpenID Connect Back-Channel Logout 1.0,
// section 2.6). Its typ may be missing or JWT, as many providers have it: the event
// and the want of a nonce tell it from any other token (section 4.1). The error is a
// *fault where the token is at fault; any other means that nobody can know.
func (p *provider) logoutToken(ctx context.Context, token string) (logoutToken, error) {
	d, err := p.describe(ctx)
	if err != nil {
		return logoutToken{}, err
	}
	payload, err := d.keys.VerifySignature(ctx, token)
	if err != nil {
		bad, isBad := errors.AsType[*identity.Error](err)
		if isBad {
			return logoutToken{}, faultOf(CodeLogoutToken, bad.Code)
		}
		return logoutToken{}, fmt.Errorf("%w: %w", errAway, err)
	}
	err = spelt(payload)
	if err != nil {
		return logoutToken{}, faultOf(CodeLogoutToken, err.Error())
	}
	var head struct {
		Type string `json:"typ"`
	}
	first, _, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil || json.Unmarshal(b, &head) != nil {
		return logoutToken{}, faultOf(CodeLogoutToken, "header") // Cannot happen: it was read before.
	}
	var c struct {
		Issuer   string                     `json:"iss"`
		Audience texts                      `json:"aud"`
		IssuedAt float64                    `json:"iat"`
		Begins   float64                    `json:"nbf"`
		Expires  float64                    `json:"exp"`
		ID       string                     `json:"jti"`
		Subject  string                     `json:"sub"`
		SID      string                     `json:"sid"`
		Events   map[string]json.RawMessage `json:"events"`
		Nonce    json.RawMessage            `json:"nonce"`
	}
	err = json.Unmarshal(payload, &c)
	if err != nil {
		return logoutToken{}, faultOf(CodeLogoutToken, "claims of another type")
	}
	now := p.now()
	about := strings.TrimSpace(string(c.Events[backchannelEvent]))
	for _, check := range []struct {
		good bool
		why  string
	}{
		{slices.Contains([]string{"logout+jwt", "jwt", ""}, strings.TrimPrefix(strings.ToLower(head.Type), "application/")), "typ: is another kind of token"},
		{c.Issuer == p.spec.Issuer, "iss"},
		{slices.Contains(c.Audience, p.spec.ClientID), "aud: for somebody else"},
		{c.ID != "" && len(c.ID) <= claimBytesMax, "jti: missing or too long"},
		{strings.HasPrefix(about, "{"), "events: is not about a logout"},
		{c.Nonce == nil, "nonce: an ID token has one, this must not"},
		{c.Subject != "" || c.SID != "", "neither sub nor sid"},
		{len(c.Subject) <= claimBytesMax && len(c.SID) <= claimBytesMax, "sub or sid: too long"},
		{c.IssuedAt > 0 && time.Unix(int64(c.IssuedAt), 0).Before(now.Add(leeway)), "iat: in the future"},
		{time.Unix(int64(c.Begins), 0).Before(now.Add(leeway)), "nbf: in the future"},
		{now.Before(time.Unix(int64(c.IssuedAt), 0).Add(logoutAgeMax + leeway)), "iat: too long ago"},
		{c.Expires > 0 && now.Before(time.Unix(int64(c.Expires), 0).Add(leeway)), "exp: over, or missing"},
	} {
		if !check.good {
			return logoutToken{}, faultOf(CodeLogoutToken, check.why)
		}
	}
	return logoutToken{ID: c.ID, SID: c.SID, Subject: c.Subject, IssuedAt: int64(c.IssuedAt)}, nil
}
