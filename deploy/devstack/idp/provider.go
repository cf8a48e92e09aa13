package idp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// Options are what a [Provider] depends on. Now is required.
type Options struct {
	// Addr is the address to listen on, "127.0.0.1:0" where empty.
	Addr string
	// Dir keeps the signing keys; they are in memory where it is empty.
	Dir string
	// Clients maps the ids of machine clients to their secrets, for the
	// client_credentials grant.
	Clients map[string]string
	// Audience is that of tokens for which nobody asked another.
	Audience string
	// Logger hears of requests that went wrong; nil is silent.
	Logger *slog.Logger
	Now    func() time.Time
}

// Provider is a running identity provider.
type Provider struct {
	options Options
	keys    *keyring
	minter  *Minter
	server  *http.Server
	url     string
	done    chan struct{}
}

// Start listens and serves until Close. An error means that the address is
// taken or that the keys in Dir cannot be read or made.
func Start(o Options) (*Provider, error) {
	if o.Now == nil {
		return nil, errors.New("idp: Now is required")
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	keys, err := openKeyring(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("idp: %w", err)
	}
	lc := net.ListenConfig{}
	ln, err := lc.Listen(context.Background(), "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("idp: %w", err)
	}
	p := &Provider{options: o, keys: keys, url: "http://" + ln.Addr().String(), done: make(chan struct{})}
	p.minter = &Minter{keys: keys, issuer: p.url, audience: o.Audience, now: o.Now}
	p.server = &http.Server{
		Handler:           p.routes(),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      readTimeout,
		IdleTimeout:       readTimeout,
		MaxHeaderBytes:    HeaderBytesMax,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(p.done)
		err := p.server.Serve(ln)
		if !errors.Is(err, http.ErrServerClosed) {
			o.Logger.Error("identity provider stopped", "error", err)
		}
	}()
	return p, nil
}

// Issuer is the value of "iss" and the base of discovery, such as
// "http://127.0.0.1:9400".
func (p *Provider) Issuer() string { return p.url }

// JWKSURL is where the public keys are.
func (p *Provider) JWKSURL() string { return p.url + "/jwks" }

// Addr is the address that the provider listens on.
func (p *Provider) Addr() string { return p.url[len("http://"):] }

// Rotate makes new keys and signs with them from now on. The keys before stay
// published, those of the rotation before that do not.
func (p *Provider) Rotate() error {
	err := p.keys.rotate()
	if err != nil {
		return fmt.Errorf("idp: rotate: %w", err)
	}
	return nil
}

// Forget withdraws all keys that are no longer signed with.
func (p *Provider) Forget() error {
	err := p.keys.forget()
	if err != nil {
		return fmt.Errorf("idp: forget: %w", err)
	}
	return nil
}

// JWKS returns the published key set as JSON, as GET /jwks does.
func (p *Provider) JWKS() ([]byte, error) {
	b, err := json.Marshal(p.keys.public())
	if err != nil {
		return nil, fmt.Errorf("idp: encode keys: %w", err)
	}
	return b, nil
}

// Close lets requests in progress finish for up to two seconds, then ends the
// server and every connection to it.
func (p *Provider) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := p.server.Shutdown(ctx)
	if err != nil {
		err = p.server.Close()
	}
	<-p.done
	if err != nil {
		return fmt.Errorf("idp: close: %w", err)
	}
	return nil
}

func (p *Provider) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /jwks", p.jwks)
	mux.HandleFunc("POST /token", p.token)
	return mux
}

func (p *Provider) discovery(w http.ResponseWriter, r *http.Request) {
	p.reply(w, r, http.StatusOK, map[string]any{
		"issuer":                                p.url,
		"jwks_uri":                              p.JWKSURL(),
		"token_endpoint":                        p.url + "/token",
		"response_types_supported":              []string{"none"},
		"grant_types_supported":                 []string{"client_credentials"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{RS256, ES256},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
	})
}

func (p *Provider) jwks(w http.ResponseWriter, r *http.Request) {
	p.reply(w, r, http.StatusOK, p.keys.public())
}

func (p *Provider) reply(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	err := json.NewEncoder(w).Encode(body)
	if err != nil {
		p.options.Logger.WarnContext(r.Context(), "reply not sent", "path", r.URL.Path, "error", err)
	}
}

// publicSet is what /jwks answers.
type publicSet struct {
	Keys []jwk.Key `json:"keys"`
}
