package idp

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"
)

// Claims are what a token says. An empty field is left out of the token,
// except that Issuer, TokenID, IssuedAt and Expires have defaults.
type Claims struct {
	// Issuer is "iss"; the provider's own where empty.
	Issuer string
	// Subject is "sub".
	Subject string
	// SessionID is "sid".
	SessionID string
	// TokenID is "jti"; a random UUID where empty.
	TokenID string
	// ClientID is "client_id".
	ClientID string
	// Scope is "scope", words separated by spaces.
	Scope string
	// Audience is "aud"; that of Options where nil, none where empty.
	Audience []string
	// ACR and AMR say how the person signed in, AuthTime when.
	ACR      string
	AMR      []string
	AuthTime time.Time
	// IssuedAt is "iat"; now where zero.
	IssuedAt time.Time
	// NotBefore is "nbf".
	NotBefore time.Time
	// Expires is "exp"; ten minutes from now where zero.
	Expires time.Time
	// NoExpiry leaves "exp" out, which no gateway should accept.
	NoExpiry bool
	// Algorithm is RS256 or ES256; ES256 where empty, because it is shorter.
	Algorithm string
	// Type is the header's typ, "at+jwt" where empty.
	Type string
	// Thumbprint is that of the key that the token is bound to ("cnf", "jkt").
	Thumbprint string
	// More holds further claims, with plain text values.
	More map[string]string
}

// Minter signs tokens in the name of a provider, with its keys.
type Minter struct {
	keys     *keyring
	issuer   string
	audience string
	now      func() time.Time
}

// OpenMinter signs in the name of a provider that runs elsewhere on this
// machine and keeps its keys in dir. The error wraps fs.ErrNotExist where there
// are none; none are made.
func OpenMinter(dir, issuer, audience string, now func() time.Time) (*Minter, error) {
	_, err := os.Stat(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, fmt.Errorf("idp: %w", err)
	}
	keys, err := openKeyring(dir)
	if err != nil {
		return nil, fmt.Errorf("idp: %w", err)
	}
	return &Minter{keys: keys, issuer: issuer, audience: audience, now: now}, nil
}

// Mint returns a signed token that says c; see [Minter.Mint].
func (p *Provider) Mint(c Claims) string { return p.minter.Mint(c) }

// Mint returns a signed token that says c. It takes c as it is: whether a
// gateway accepts it is the gateway's business.
func (m *Minter) Mint(c Claims) string {
	token, err := m.sign(c)
	if err != nil {
		// Claims hold only text and times and the keys are our own: no input
		// can bring this about, and a token that is "" would hide it.
		panic(fmt.Sprintf("idp: mint: %v", err))
	}
	return token
}

func (m *Minter) sign(c Claims) (string, error) {
	token := jwt.New()
	var errs []error
	set := func(name string, value any, present bool) {
		if present {
			errs = append(errs, token.Set(name, value))
		}
	}
	for name, value := range c.More {
		set(name, value, true)
	}
	now := m.now()
	if c.Audience == nil && m.audience != "" {
		c.Audience = []string{m.audience}
	}
	set(jwt.IssuerKey, either(c.Issuer, m.issuer), true)
	set(jwt.SubjectKey, c.Subject, c.Subject != "")
	set(jwt.JwtIDKey, either(c.TokenID, uuid.NewString()), true)
	set(jwt.AudienceKey, c.Audience, len(c.Audience) > 0)
	set(jwt.IssuedAtKey, eitherTime(c.IssuedAt, now), true)
	set(jwt.NotBeforeKey, c.NotBefore, !c.NotBefore.IsZero())
	set(jwt.ExpirationKey, eitherTime(c.Expires, now.Add(lifetime)), !c.NoExpiry)
	set("sid", c.SessionID, c.SessionID != "")
	set("client_id", c.ClientID, c.ClientID != "")
	set("scope", c.Scope, c.Scope != "")
	set("acr", c.ACR, c.ACR != "")
	set("cnf", map[string]string{"jkt": c.Thumbprint}, c.Thumbprint != "")
	set("amr", c.AMR, len(c.AMR) > 0)
	set("auth_time", c.AuthTime.Unix(), !c.AuthTime.IsZero())

	alg := either(c.Algorithm, ES256)
	h := jws.NewHeaders()
	errs = append(errs, h.Set(jws.TypeKey, either(c.Type, "at+jwt")))
	err := errors.Join(errs...)
	if err != nil {
		return "", fmt.Errorf("set claims: %w", err)
	}
	signed, err := jwt.Sign(token, jwt.WithKey(jwa.SignatureAlgorithm(alg), m.keys.signing(alg), jws.WithProtectedHeaders(h)))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return string(signed), nil
}

// token serves the client_credentials grant (RFC 6749, 4.4).
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, BodyBytesMax)
	err := r.ParseForm()
	if err != nil {
		p.reply(w, r, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		p.reply(w, r, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	want, known := p.options.Clients[id]
	if !known || subtle.ConstantTimeCompare([]byte(want), []byte(secret)) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="vigil sample provider"`)
		p.reply(w, r, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	scope := strings.Join(strings.Fields(r.PostForm.Get("scope")), " ")
	c := Claims{Subject: id, ClientID: id, Scope: scope}
	if aud := r.PostForm.Get("audience"); aud != "" {
		c.Audience = []string{aud}
	}
	p.reply(w, r, http.StatusOK, map[string]any{
		"access_token": p.Mint(c),
		"token_type":   "Bearer",
		"expires_in":   int(lifetime / time.Second),
		"scope":        scope,
	})
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func eitherTime(a, b time.Time) time.Time {
	if !a.IsZero() {
		return a
	}
	return b
}
