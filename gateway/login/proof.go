package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/vigil-gateway/vigil/gateway/identity"
)

// errEnded means that the provider will not renew a session: it has ended there.
var errEnded = errors.New("provider has ended the session")

// proof is what a provider says about a person, checked.
type proof struct {
	issuer, subject, sid, acr string
	amr, scopes               []string
	authTime                  int64 // Unix seconds; 0 where it does not say.
	assumed                   bool  // authTime is when the person came back.
	refreshToken, idToken     string
	// email is the person's verified address; emailSaid reports whether the provider
	// speaks of one at all.
	email     string
	emailSaid bool
	renewIn   time.Duration // 0 where the provider does not say.
}

// exchange turns the code of a callback into a proof. The error wraps errAway, is
// a *fault where the answer is at fault, or ours.
func (p *provider) exchange(ctx context.Context, d *description, f flow, code, redirect string) (proof, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.client), callTimeout)
	defer cancel()
	token, err := p.oauth(d, redirect).Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		refused, isRefused := errors.AsType[*oauth2.RetrieveError](err)
		if isRefused && refused.Response != nil && refused.Response.StatusCode < http.StatusInternalServerError {
			return proof{}, faultOf(CodeCode, refused.ErrorCode)
		}
		return proof{}, fmt.Errorf("%w: %w", errAway, err)
	}
	var out proof
	if d.verifier == nil {
		out, err = p.userinfo(ctx, d, token.AccessToken)
	} else {
		raw, _ := token.Extra("id_token").(string)
		out, err = p.idToken(ctx, d, raw, f.Nonce, token.AccessToken)
	}
	if err != nil {
		return proof{}, err
	}
	return out.with(token), nil
}

// with adds the tokens that a session goes on with.
func (out proof) with(token *oauth2.Token) proof {
	out.refreshToken = token.RefreshToken
	if token.ExpiresIn > 0 {
		// The last quarter of its life is for tries.
		out.renewIn = max(time.Duration(min(token.ExpiresIn, secondsMax))*time.Second*3/4, renewLeast)
	}
	return out
}

// idToken checks an ID token (OpenID Connect Core 1.0, section 3.1.3.7). Our own
// strict parser reads it first, then go-oidc.
func (p *provider) idToken(ctx context.Context, d *description, raw, nonce, accessToken string) (proof, error) {
	payload, err := d.keys.VerifySignature(ctx, raw)
	if err != nil {
		bad, isBad := errors.AsType[*identity.Error](err)
		if isBad {
			return proof{}, faultOf(CodeIDToken, bad.Code)
		}
		return proof{}, fmt.Errorf("%w: %w", errAway, err)
	}
	err = spelt(payload)
	if err != nil {
		return proof{}, faultOf(CodeIDToken, err.Error())
	}
	token, err := d.verifier.Verify(ctx, raw)
	if err != nil {
		return proof{}, faultOf(CodeIDToken, err.Error())
	}
	var c struct {
		SID      string   `json:"sid"`
		ACR      string   `json:"acr"`
		AMR      []string `json:"amr"`
		AuthTime float64  `json:"auth_time"`
		AZP      string   `json:"azp"`
		IssuedAt float64  `json:"iat"`
		// NotBefore is looked at by go-oidc too, with five minutes of leeway.
		NotBefore float64 `json:"nbf"`
	}
	err = json.Unmarshal(payload, &c)
	now := float64(p.now().Unix())
	switch {
	case err != nil:
		return proof{}, faultOf(CodeIDToken, "claims of another type")
	case nonce != "" && token.Nonce != nonce:
		return proof{}, faultOf(CodeIDToken, "nonce")
	case c.AZP != "" && c.AZP != p.spec.ClientID, len(token.Audience) > 1 && c.AZP == "":
		return proof{}, faultOf(CodeIDToken, "azp")
	case token.Subject == "" || len(token.Subject) > claimBytesMax || len(c.SID) > claimBytesMax || len(c.ACR) > claimBytesMax || len(c.AMR) > listMax:
		return proof{}, faultOf(CodeIDToken, "a claim is missing or too long")
	case c.IssuedAt <= 0 || c.IssuedAt > now+leeway.Seconds() || c.AuthTime > now+leeway.Seconds() || c.AuthTime < 0:
		return proof{}, faultOf(CodeIDToken, "iat or auth_time")
	case c.NotBefore > now+leeway.Seconds():
		return proof{}, faultOf(CodeIDToken, "nbf")
	case token.AccessTokenHash != "" && accessToken != "" && token.VerifyAccessToken(accessToken) != nil:
		return proof{}, faultOf(CodeIDToken, "at_hash")
	}
	out := proof{
		issuer: p.spec.Issuer, subject: token.Subject, sid: c.SID, acr: c.ACR, amr: c.AMR,
		authTime: here(c.AuthTime, c.IssuedAt-now),
		scopes:   p.scopes(payload),
	}
	out.email, out.emailSaid = verifiedEmail(payload)
	if len(raw) <= idTokenBytesMax {
		out.idToken = raw
	}
	if out.authTime == 0 && p.spec.AuthTime == AuthTimeCallback {
		out.authTime, out.assumed = p.now().Unix(), true
	}
	return out, nil
}

// here is an auth_time by this gateway's clock; both are Unix seconds, 0 for none. The
// token was made while we waited for it, so that a clock which issues ahead is ahead by as
// much. Without that a sign-in that was over would lie behind the verdicts of the next
// minute, and whoever is sent to sign in again would be let in by it, unasked. A clock
// that is behind is not set forward: an old token must not become a new proof.
func here(authTime, ahead float64) int64 {
	if authTime <= 0 {
		return 0
	}
	return max(1, int64(authTime-max(0, ahead)))
}

// spelt refuses claims that bear the name of one that we read in another spelling:
// encoding/json, by which go-oidc reads them too, takes "SUB" for "sub", and the last
// one counts. A provider that lets people name claims would let them be anybody.
func spelt(claims []byte) error {
	var all map[string]json.RawMessage
	err := json.Unmarshal(claims, &all)
	if err != nil {
		return errors.New("claims are no object")
	}
	for name := range all {
		for _, ours := range []string{
			"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "nonce", "at_hash", "azp", "sid", "acr", "amr", "auth_time", "events",
			"_claim_names", "_claim_sources",
		} {
			if name != ours && strings.EqualFold(name, ours) {
				return fmt.Errorf("%q is another spelling of a claim", name)
			}
		}
	}
	return nil
}

// userinfo asks a provider without ID tokens who it was.
func (p *provider) userinfo(ctx context.Context, d *description, accessToken string) (proof, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.userinfo, http.NoBody)
	if err != nil {
		return proof{}, fmt.Errorf("call userinfo: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+accessToken)
	r.Header.Set("Accept", "application/json")
	var raw json.RawMessage
	err = p.do(r, &raw)
	if errors.Is(err, errAway) {
		return proof{}, err
	}
	if err != nil {
		return proof{}, faultOf(CodeUserinfo, err.Error())
	}
	var claims map[string]json.RawMessage
	err = json.Unmarshal(raw, &claims)
	if err != nil {
		return proof{}, faultOf(CodeUserinfo, "is no object")
	}
	subject := plain(claims[p.spec.SubjectClaim])
	if subject == "" || len(subject) > claimBytesMax {
		return proof{}, faultOf(CodeUserinfo, "names nobody")
	}
	out := proof{issuer: p.spec.Issuer, subject: subject, scopes: p.scopes(raw), authTime: p.now().Unix(), assumed: true}
	out.email, out.emailSaid = verifiedEmail(raw)
	return out, nil
}

// plain is a text or a whole number as text; the big social providers number
// people.
func plain(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(v, &n) == nil && !strings.ContainsAny(n.String(), ".eE") {
		return n.String()
	}
	return ""
}

// scopes are what everybody of the provider has, and what the person's claim adds.
func (p *provider) scopes(claims []byte) []string {
	out := slices.Clone(p.spec.Grant)
	if p.spec.ScopeClaim == "" {
		return out
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(claims, &all) != nil {
		return out
	}
	var list []string
	var words string
	if json.Unmarshal(all[p.spec.ScopeClaim], &list) != nil && json.Unmarshal(all[p.spec.ScopeClaim], &words) == nil {
		list = identity.SplitScopes(words)
	}
	for _, s := range list[:min(len(list), listMax)] {
		if s != "" && len(s) <= claimBytesMax && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// renew asks the provider for new tokens of a session. The error wraps errAway or
// errEnded. What the person is was settled at the sign-in: a refresh may say who it
// is again, and must not say somebody else.
func (p *provider) renew(ctx context.Context, s record) (proof, error) {
	d, err := p.describe(ctx)
	if err != nil {
		return proof{}, err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.client), callTimeout)
	defer cancel()
	token, err := p.oauth(d, "").TokenSource(ctx, &oauth2.Token{RefreshToken: s.RefreshToken}).Token()
	if err != nil {
		refused, isRefused := errors.AsType[*oauth2.RetrieveError](err)
		if isRefused && refused.ErrorCode == "invalid_grant" {
			return proof{}, errEnded
		}
		return proof{}, fmt.Errorf("%w: %w", errAway, err)
	}
	out := proof{issuer: s.Issuer, subject: s.Subject}
	raw, _ := token.Extra("id_token").(string)
	if d.verifier != nil && raw != "" {
		out, err = p.idToken(ctx, d, raw, "", token.AccessToken)
		if _, bad := errors.AsType[*fault](err); bad || err == nil && (out.subject != s.Subject || out.issuer != s.Issuer) {
			return proof{}, fmt.Errorf("%w: it names somebody else, or nobody", errEnded)
		}
		if err != nil {
			return proof{}, err
		}
	}
	return out.with(token), nil
}

// forget gives a refresh token back (RFC 7009), where the provider takes it.
func (p *provider) forget(ctx context.Context, refreshToken string) error {
	d, err := p.describe(ctx)
	if err != nil || d.revocation == "" {
		return err
	}
	return p.post(ctx, d.revocation, url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}}, nil)
}

func encode(v map[string][]string) string { return url.Values(v).Encode() }

func escape(s string) string { return url.QueryEscape(s) }
