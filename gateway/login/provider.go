package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
)

// errAway means that a provider cannot be asked just now.
var errAway = errors.New("provider is away")

// provider is a configured provider and what it says about itself.
type provider struct {
	spec   Provider // With its defaults.
	secret string
	client *http.Client
	log    *slog.Logger
	meter  metric.Meter
	now    func() time.Time
	// private lets it be called without TLS and at private addresses.
	private   bool
	keysPause time.Duration

	flight singleflight.Group
	mu     sync.Mutex
	known  *description // Nil before the first answer.
	tried  time.Time    // When it was last asked.
	err    error        // Of that try.
}

// description is what a provider says about itself. Immutable.
type description struct {
	endpoint    oauth2.Endpoint
	userinfo    string // For oauth2.
	endSession  string // RP-initiated logout; empty where there is none.
	revocation  string // RFC 7009; empty where there is none.
	pushed      string // RFC 9126; empty where there is none.
	answersWith bool   // It names itself in its answers (RFC 9207).
	keysURL     string
	keys        *identity.Signatures  // Nil for oauth2.
	verifier    *oidc.IDTokenVerifier // Nil for oauth2.
	read        time.Time
}

// newProvider reads a provider's secret. Nobody is asked yet: a gateway starts
// while its providers are away.
func newProvider(spec Provider, o Options) (*provider, error) {
	p := &provider{
		spec: spec.defaults(), client: boundedClient(o.Config.AllowPrivate), log: o.Logger, meter: o.Meter, now: o.Now,
		private: o.Config.AllowPrivate, keysPause: o.Config.KeysMinInterval,
	}
	if spec.ClientSecretFile != "" {
		b, err := keyfile.Secret(spec.ClientSecretFile)
		if err != nil {
			return nil, fmt.Errorf("client_secret_file: %w", err)
		}
		p.secret = strings.TrimSpace(string(b))
		if p.secret == "" {
			return nil, errors.New("client_secret_file: is empty")
		}
	}
	if p.spec.Type == TypeOAuth2 {
		p.known = &description{
			endpoint: oauth2.Endpoint{AuthURL: spec.AuthURL, TokenURL: spec.TokenURL, AuthStyle: p.style()}, userinfo: spec.UserinfoURL,
		}
	}
	return p, nil
}

// boundedClient is identity's careful client whose answers have an end.
func boundedClient(private bool) *http.Client {
	c := identity.NewClient(private)
	c.Transport = capped{c.Transport}
	c.Timeout = callTimeout
	return c
}

// capped ends every body at answerBytesMax: the libraries that read it do not.
type capped struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err //nolint:wrapcheck // A transport passes errors through.
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, answerBytesMax), res.Body}
	return res, nil
}

// style is how x/oauth2 sends our secret.
func (p *provider) style() oauth2.AuthStyle {
	if p.spec.ClientAuth == ClientAuthBasic {
		return oauth2.AuthStyleInHeader
	}
	return oauth2.AuthStyleInParams
}

// describe returns what the provider says about itself, asking it where that is
// not known or old. Everybody who asks at a time shares one call, and a provider
// that is away is not asked more often than every discoveryPause. The error wraps
// errAway.
func (p *provider) describe(ctx context.Context) (*description, error) {
	p.mu.Lock()
	known, tried, err := p.known, p.tried, p.err
	p.mu.Unlock()
	now := p.now()
	switch {
	case known != nil && (p.spec.Type == TypeOAuth2 || now.Sub(known.read) < discoveryEvery):
		return known, nil
	case !tried.IsZero() && now.Sub(tried) < discoveryPause:
		if known != nil {
			return known, nil
		}
		return nil, err
	}
	answer := p.flight.DoChan("", func() (any, error) {
		inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		d, err := p.discover(inner, known)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tried = p.now()
		if err != nil {
			p.err = fmt.Errorf("%w: %w", errAway, err)
			p.log.WarnContext(ctx, "provider does not describe itself", "provider", p.spec.ID, "error", err)
			return known, p.err
		}
		p.known, p.err = d, nil
		return d, nil
	})
	select {
	case r := <-answer:
		d, _ := r.Val.(*description)
		if d != nil {
			return d, nil // The last good one serves on.
		}
		return nil, r.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errAway, context.Cause(ctx))
	}
}

// discover reads the provider's OpenID configuration (Discovery 1.0, section 4).
// The keys of the last one serve on where their address is the same.
func (p *provider) discover(ctx context.Context, last *description) (*description, error) {
	ctx = oidc.ClientContext(ctx, p.client)
	op, err := oidc.NewProvider(ctx, p.spec.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	var more struct {
		Keys       string `json:"jwks_uri"`
		EndSession string `json:"end_session_endpoint"`
		Revocation string `json:"revocation_endpoint"`
		Pushed     string `json:"pushed_authorization_request_endpoint"`
		Answers    bool   `json:"authorization_response_iss_parameter_supported"`
	}
	err = op.Claims(&more)
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	d := &description{
		endpoint: op.Endpoint(), endSession: more.EndSession, revocation: more.Revocation, pushed: more.Pushed,
		answersWith: more.Answers, keysURL: more.Keys, read: p.now(),
	}
	d.endpoint.AuthStyle = p.style()
	for _, u := range []string{d.endpoint.AuthURL, d.endpoint.TokenURL, more.Keys} {
		err = checkEndpoint(u, p.private)
		if err != nil {
			return nil, fmt.Errorf("discovery names an endpoint that %w", err)
		}
	}
	for _, u := range []*string{&d.endSession, &d.revocation, &d.pushed} {
		if *u != "" && checkEndpoint(*u, p.private) != nil {
			*u = "" // What is optional is then not there.
		}
	}
	if last != nil && last.keysURL == d.keysURL {
		d.keys = last.keys
	} else {
		keys := identity.DefaultConfig()
		keys.AllowPrivate, keys.KeysMinInterval = p.private, p.keysPause
		d.keys, err = identity.NewSignatures(
			identity.Options{Config: keys, Logger: p.log, Meter: p.meter, Now: p.now},
			identity.Issuer{Issuer: p.spec.Issuer, JWKSURL: more.Keys, Algorithms: p.spec.Algorithms})
		if err != nil {
			return nil, err //nolint:wrapcheck // Names its package.
		}
	}
	algorithms := p.spec.Algorithms
	if len(algorithms) == 0 {
		algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}
	}
	d.verifier = oidc.NewVerifier(p.spec.Issuer, d.keys, &oidc.Config{
		ClientID: p.spec.ClientID, SupportedSigningAlgs: algorithms, Now: func() time.Time { return p.now().Add(-leeway) },
	})
	return d, nil
}

// client is the relying party as x/oauth2 knows it.
func (p *provider) oauth(d *description, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.spec.ClientID, ClientSecret: p.secret, Endpoint: d.endpoint, RedirectURL: redirect, Scopes: p.spec.Scopes,
	}
}

// post sends a form with our credentials and decodes the JSON answer into out,
// where out is not nil. Statuses from 300 on are errors.
func (p *provider) post(ctx context.Context, address string, form map[string][]string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	values := make(map[string][]string, len(form)+2)
	maps.Copy(values, form)
	if p.spec.ClientAuth != ClientAuthBasic {
		values["client_id"] = []string{p.spec.ClientID}
	}
	if p.spec.ClientAuth == ClientAuthPost {
		values["client_secret"] = []string{p.secret}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(encode(values)))
	if err != nil {
		return fmt.Errorf("call %s: %w", address, err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if p.spec.ClientAuth == ClientAuthBasic {
		r.SetBasicAuth(escape(p.spec.ClientID), escape(p.secret)) // RFC 6749, section 2.3.1.
	}
	return p.do(r, out)
}

// do sends a request to the provider and decodes its answer.
func (p *provider) do(r *http.Request, out any) error {
	res, err := p.client.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %w", errAway, err)
	}
	defer func() { _ = res.Body.Close() }() // Read only: nothing is lost.
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%w: %w", errAway, err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		if res.StatusCode >= http.StatusInternalServerError || res.StatusCode == http.StatusTooManyRequests {
			return fmt.Errorf("%w: status %d", errAway, res.StatusCode)
		}
		return fmt.Errorf("provider answers with status %d: %.200q", res.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	err = json.Unmarshal(b, out)
	if err != nil {
		return fmt.Errorf("decode answer of provider: %w", err)
	}
	return nil
}
