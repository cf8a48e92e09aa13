package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// Options are what a [Verifier] depends on. All are required.
type Options struct {
	Config Config
	Names  event.Names // Of the tenant: who acts becomes a pseudonym here.
	Logger *slog.Logger
	Meter  metric.Meter
	Now    func() time.Time
}

// Verifier turns the credential of a request into an [Identity].
type Verifier struct {
	issuers map[string]*issuer
	refresh time.Duration
	names   event.Names
	cache   *cache
	metrics *metrics
	now     func() time.Time
}

// New returns a verifier. Key files are read at once, so that a wrong one is a
// fault of the configuration; key URLs are asked by [Verifier.Run], or by the
// first token that needs them. The error joins every fault.
func New(o Options) (*Verifier, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	m, err := newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	v := &Verifier{
		issuers: make(map[string]*issuer, len(o.Config.Issuers)), refresh: o.Config.KeysRefresh,
		names: o.Names, cache: newCache(o.Config.CacheEntries), metrics: m, now: o.Now,
	}
	client := newClient(o.Config.AllowPrivate)
	var errs []error
	for i, spec := range o.Config.Issuers {
		is := &issuer{
			spec: spec.defaults(), fetch: source(spec, client, o.Config.AllowPrivate), metrics: m, log: o.Logger, now: o.Now,
			minInterval: o.Config.KeysMinInterval, maxStale: o.Config.KeysMaxStale,
		}
		if spec.JWKSFile != "" {
			is.minInterval = fileInterval
			err = is.loadFile()
			if err != nil {
				errs = append(errs, fmt.Errorf("issuers[%d].jwks_file: %w", i, err))
			}
		}
		v.issuers[spec.Issuer] = is
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("identity: %w", errors.Join(errs...))
	}
	return v, nil
}

// InheritKeys gives v the key sets that old has of the same issuers from the same
// URLs, as long as they may serve, so that a reload while a provider is away
// locks nobody out. Call it before the first Verify.
func (v *Verifier) InheritKeys(old *Verifier) {
	for name, is := range v.issuers {
		was := old.issuers[name]
		if was == nil || is.spec.JWKSFile != "" || was.spec.JWKSFile != "" || was.spec.JWKSURL != is.spec.JWKSURL {
			continue
		}
		is.keys.Store(was.keys.Load())
		is.freshUntil.Store(min(was.freshUntil.Load(), is.now().Add(is.maxStale).UnixNano()))
	}
}

// Verify returns who a request acts for. The error wraps [ErrNone] where there
// is no bearer token, and is an [Error] where the token is at fault. Any other
// error means that the verifier is, and the gateway fails closed.
//
// It says nothing about whether the session has been revoked since: the caller
// asks gateway/session, on every request.
func (v *Verifier) Verify(ctx context.Context, r *http.Request) (Identity, error) {
	token, err := bearerToken(r.Header)
	if err != nil {
		v.metrics.count(ctx, result(err))
		return Identity{}, err
	}
	now := v.now()
	e := v.cache.get(token)
	if e != nil && e.good(now) {
		v.metrics.count(ctx, resultCached)
		return e.identity, nil
	}
	e, err = v.verify(ctx, token, now)
	v.metrics.count(ctx, result(err))
	if err != nil {
		return Identity{}, err
	}
	v.cache.put(e)
	return e.identity, nil
}

// verify checks a token in full. What costs least comes first; nothing is
// believed before the signature.
func (v *Verifier) verify(ctx context.Context, token string, now time.Time) (*verified, error) {
	p, err := parse(token)
	if err != nil {
		return nil, err
	}
	name, _ := text(p.claims.get("iss"))
	is := v.issuers[name]
	if is == nil {
		return nil, fault(CodeIssuer, "The token's issuer is not known")
	}
	c, err := is.read(p.claims)
	if err != nil {
		return nil, err
	}
	err = is.check(p, c, now)
	if err != nil {
		return nil, err
	}
	set, k, err := is.key(ctx, p)
	if err != nil {
		return nil, err
	}
	err = checkSignature(p, k)
	if err != nil {
		return nil, err
	}
	from := c.notBefore
	if c.issuedAt.After(from) {
		from = c.issuedAt
	}
	e := &verified{
		token: strings.Clone(token), identity: is.identity(v.names, p, c),
		from: from.Add(-is.spec.Leeway), until: is.until(c), issuer: is, kid: p.kid, key: k,
	}
	e.set.Store(set)
	return e, nil
}

// checkSignature has jwx verify the very bytes that our parser has read, with
// the algorithm that we checked and the key that we chose. jwx does not parse
// the token a second time: two parsers could differ (jwx, for one, loses the
// space around a header), one cannot.
func checkSignature(p parsed, k *key) error {
	v, err := jws.NewVerifier(jwa.SignatureAlgorithm(p.alg))
	if err != nil {
		return fmt.Errorf("verifier for %s: %w", p.alg, err) // Cannot happen: the algorithm is on our list.
	}
	err = v.Verify([]byte(p.signing), p.signature, k.public)
	if err != nil {
		return fault(CodeSignature, "The token's signature is wrong")
	}
	return nil
}

// Run keeps the issuers' keys up to date until ctx ends, and then returns nil.
func (v *Verifier) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, is := range v.issuers {
		wg.Go(func() { is.follow(ctx, v.refresh) })
	}
	wg.Wait()
	return nil
}

// Ready reports, all at once, which issuers have no keys that may serve.
func (v *Verifier) Ready() error {
	now := v.now()
	var errs []error
	for name, is := range v.issuers {
		if is.fresh(now) == nil {
			errs = append(errs, fmt.Errorf("issuer %q: %w", name, errStale))
		}
	}
	return errors.Join(errs...)
}
