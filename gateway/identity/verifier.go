package identity

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/gateway/guard"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// Options are what a [Verifier] depends on. All but Budgets are required.
type Options struct {
	Config Config
	Names  event.Names // Of the tenant: who acts becomes a pseudonym here.
	// Budgets are what each address may have of failures and of questions to issuers;
	// nil for no limits.
	Budgets *guard.Budgets
	Logger  *slog.Logger
	Meter   metric.Meter
	Now     func() time.Time
}

// Verifier turns the credential of a request into an [Identity].
type Verifier struct {
	issuers      map[string]*issuer
	opaque       []*issuer     // Those that are asked, the longest prefix first.
	apiKeys      *apiKeys      // Nil where none are configured.
	certificates *certificates // Nil where none are configured.
	dpop         DPoP
	proofs       *proofs
	refresh      time.Duration
	names        event.Names
	cache        *cache
	budgets      *guard.Budgets
	metrics      *metrics
	now          func() time.Time
	asking       *http.Client
}

// proofs is what the checks of DPoP proofs remember. A reload hands it on.
type proofs struct {
	nonces  *nonces
	replays *replays
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
	c := o.Config
	v := &Verifier{
		issuers: make(map[string]*issuer, len(c.Issuers)), refresh: c.KeysRefresh, dpop: c.DPoP,
		proofs: &proofs{nonces: newNonces(c.DPoP.NonceLifetime), replays: newReplays(c.DPoP.Window, c.DPoP.ProofsMax)},
		names:  o.Names, cache: newCache(c.CacheEntries), budgets: o.Budgets, metrics: m, now: o.Now,
		asking: guardedClient(c.AllowPrivate, QuestionsMax),
	}
	var errs []error
	fetching := newClient(c.AllowPrivate)
	for i, spec := range c.Issuers {
		err = v.add(spec, fetching, o)
		if err != nil {
			errs = append(errs, fmt.Errorf("issuers[%d].%w", i, err))
		}
	}
	slices.SortStableFunc(v.opaque, func(a, b *issuer) int {
		return len(b.spec.Introspection.TokenPrefix) - len(a.spec.Introspection.TokenPrefix)
	})
	v.apiKeys, err = newAPIKeys(c.APIKeys, o.Names, o.Logger)
	if err != nil {
		errs = append(errs, fmt.Errorf("api_keys.%w", err))
	}
	if len(c.Certificates) > 0 {
		v.certificates = &certificates{rules: c.Certificates, names: o.Names}
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("identity: %w", errors.Join(errs...))
	}
	return v, nil
}

// add takes one issuer in, and reads its files.
func (v *Verifier) add(spec Issuer, fetching *http.Client, o Options) error {
	is := &issuer{
		spec: spec.defaults(), fetch: source(spec, fetching, o.Config.AllowPrivate), metrics: v.metrics, log: o.Logger, now: o.Now,
		minInterval: o.Config.KeysMinInterval, maxStale: o.Config.KeysMaxStale, lead: new(lead),
	}
	is.required = requirements(is.spec.RequiredClaims)
	v.issuers[spec.Issuer] = is
	if spec.Introspection.URL != "" {
		is.ask = newIntrospector(spec.Introspection, v.asking, v.metrics, o)
		if spec.Introspection.Signed {
			is.ask.read = is.signedAnswer
		}
		v.opaque = append(v.opaque, is)
		_, err := readSecret(spec.Introspection.SecretFile)
		if err != nil {
			return fmt.Errorf("introspection.secret_file: %w", err)
		}
	}
	if spec.JWKSFile != "" {
		is.minInterval = fileInterval
		err := is.loadFile()
		if err != nil {
			return fmt.Errorf("jwks_file: %w", err)
		}
	}
	return nil
}

// InheritKeys gives v the key sets that old has of the same issuers from the same
// URLs, as long as they may serve, so that a reload while a provider is away
// locks nobody out; and the DPoP proofs that were used, so that it lets nobody
// use one twice. Of DPoP.ProofsMax that of old stays in force. Call it before the
// first Verify.
func (v *Verifier) InheritKeys(old *Verifier) {
	v.proofs.replays = old.proofs.replays
	v.proofs.replays.widen(v.dpop.Window)
	if v.dpop.NonceLifetime == old.dpop.NonceLifetime {
		v.proofs.nonces = old.proofs.nonces
	}
	for name, is := range v.issuers {
		was := old.issuers[name]
		if was != nil {
			is.lead = was.lead
		}
		if was == nil || !is.hasKeys() || !was.hasKeys() || is.spec.JWKSFile != "" || was.spec.JWKSFile != "" || was.spec.JWKSURL != is.spec.JWKSURL {
			continue
		}
		is.keys.Store(was.keys.Load())
		is.freshUntil.Store(min(was.freshUntil.Load(), is.now().Add(is.maxStale).UnixNano()))
	}
}

// Verify returns who a request acts for; from is the address that it comes from.
// The error wraps [ErrNone] where there is no credential that we know, and is an
// [Error] where the credential is at fault, or a [guard.Error] where the address has
// shown so many bad ones that none is looked at which is not known to be good. Any
// other error means that the verifier is at fault, and the gateway fails closed.
//
// It says nothing about whether the session has been revoked since: the caller
// asks gateway/session, on every request. The identity is shared between requests of
// one token, and must not be changed.
func (v *Verifier) Verify(ctx context.Context, r *http.Request, from netip.Addr) (*Identity, error) {
	c, err := v.credentialOf(r)
	if err != nil {
		v.metrics.count(ctx, result(err))
		return nil, err
	}
	now := v.now()
	var e *verified
	if c.scheme == schemeBearer {
		e = v.cache.get(c.text)
		if e != nil && !e.binds && e.good(now) {
			v.metrics.count(ctx, resultCached)
			return &e.identity, nil
		}
	}
	id, err := v.check(ctx, r, c, e, from, now)
	if neverGood(err) {
		_ = v.budgets.Spend(ctx, guard.Failures, from) // The next one is told.
	}
	v.metrics.count(ctx, result(err))
	if err != nil {
		return nil, err
	}
	return id, nil
}

// check verifies a credential of any kind; e is what the cache has of a bearer
// token, nil where it was not asked or has nothing.
func (v *Verifier) check(ctx context.Context, r *http.Request, c credential, e *verified, from netip.Addr, now time.Time) (*Identity, error) {
	switch c.scheme {
	case schemeAPIKey:
		err := v.budgets.Owes(ctx, guard.Failures, from)
		if err != nil {
			return nil, err //nolint:wrapcheck // The caller looks for it.
		}
		id, err := v.apiKeys.verify(c.text, now)
		return &id, err
	case schemeCertificate:
		id, err := v.certificates.verify(r, now)
		return &id, err
	case schemeBearer, schemeDPoP:
	}
	if e == nil {
		e = v.cache.get(c.text)
	}
	if e == nil || !e.good(now) {
		err := v.budgets.Owes(ctx, guard.Failures, from)
		if err != nil {
			return nil, err //nolint:wrapcheck // The caller looks for it.
		}
		e, err = v.verify(ctx, c.text, from, now)
		if err != nil {
			return nil, err
		}
		e.binds = e.confirm.bound || len(e.issuer.spec.Binding) > 0
		v.cache.put(e)
	}
	return v.bind(r, c.scheme, e, from, now)
}

// neverGood reports whether a credential was refused that was good at no time: no
// honest client has one. What has expired or ended, what a key has signed that we have
// not fetched yet, and a proof that lacks only a nonce or the right time is what honest
// clients show as well.
func neverGood(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Code {
	case CodeExpired, CodeNotYetValid, CodeInactive, CodeAPIKeyExpired, CodeCertificateExpired, CodeProofNonce, CodeProofTime,
		CodeProofMissing, CodeProofRepeated, CodeMultipleCredentials, CodeTokenInURL, CodeClaim, CodeCertificate, CodeKeyUnknown:
		return false
	}
	return true
}

// verify checks a token in full. What costs least comes first; nothing is
// believed before the signature, or before the issuer has answered for it.
func (v *Verifier) verify(ctx context.Context, token string, from netip.Addr, now time.Time) (*verified, error) {
	is := v.asked(token)
	if is != nil {
		return v.introspect(ctx, is, token, from, now)
	}
	p, err := parse(token)
	if err != nil {
		return nil, err
	}
	name, _ := text(p.claims.get("iss"))
	is = v.issuers[name]
	if is == nil {
		return nil, fault(CodeIssuer, "The token's issuer is not known")
	}
	if is.ask != nil {
		return v.introspect(ctx, is, token, from, now)
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
	e := &verified{
		token: strings.Clone(token), identity: is.identity(v.names, MethodJWT, p.signing, is.seen(c, now)), confirm: c.confirm,
		from: is.from(c), until: is.until(c), issuer: is, kid: p.kid, key: k,
	}
	e.identity.Expires, e.identity.Memo = e.until, new(session.Memo)
	e.set.Store(set)
	return e, nil
}

// checkSignature checks a token's signature; see checkJWS.
func checkSignature(p parsed, k *key) error { return checkJWS(p.alg, p.signed, k) }

// checkJWS has jwx verify the very bytes that our parser has read, with
// the algorithm that we checked and the key that we chose. jwx does not parse
// the token a second time: two parsers could differ (jwx, for one, loses the
// space around a header), one cannot. RSA-PSS is checked without it: jwx takes a
// salt of any length, RFC 7518 section 3.5 one as long as the hash.
func checkJWS(alg string, s signed, k *key) error {
	if strings.HasPrefix(alg, "PS") {
		return checkPSS(alg, s, k)
	}
	v, err := jws.NewVerifier(jwa.SignatureAlgorithm(signature(alg)))
	if err != nil {
		return fmt.Errorf("verifier for %s: %w", alg, err) // Cannot happen: the algorithm is on our list.
	}
	err = v.Verify([]byte(s.signing), s.signature, k.public)
	if err != nil {
		return fault(CodeSignature, "The token's signature is wrong")
	}
	return nil
}

func checkPSS(alg string, s signed, k *key) error {
	var digest []byte
	var hash crypto.Hash
	switch alg {
	case "PS256":
		sum := sha256.Sum256([]byte(s.signing))
		digest, hash = sum[:], crypto.SHA256
	case "PS384":
		sum := sha512.Sum384([]byte(s.signing))
		digest, hash = sum[:], crypto.SHA384
	case "PS512":
		sum := sha512.Sum512([]byte(s.signing))
		digest, hash = sum[:], crypto.SHA512
	}
	public, ok := k.public.(*rsa.PublicKey)
	if !ok || rsa.VerifyPSS(public, hash, digest, s.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) != nil {
		return fault(CodeSignature, "The token's signature is wrong")
	}
	return nil
}

// Run keeps the issuers' keys and the API keys up to date until ctx ends, and then returns nil.
func (v *Verifier) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, is := range v.issuers {
		if is.hasKeys() {
			wg.Go(func() { is.follow(ctx, v.refresh) })
		}
	}
	if v.apiKeys != nil {
		wg.Go(func() { v.apiKeys.follow(ctx) })
	}
	wg.Wait()
	v.asking.CloseIdleConnections()
	return nil
}

// Ready reports, all at once, which issuers have no keys that may serve.
func (v *Verifier) Ready() error {
	now := v.now()
	var errs []error
	for name, is := range v.issuers {
		if is.hasKeys() && is.fresh(now) == nil {
			errs = append(errs, fmt.Errorf("issuer %q: %w", name, errStale))
		}
	}
	return errors.Join(errs...)
}
