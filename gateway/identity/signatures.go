package identity

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Signatures checks JWTs against the keys of one issuer, as strictly as a
// [Verifier] does, and leaves their claims to the caller: ID tokens and logout
// tokens have rules of their own. Safe for concurrent use.
type Signatures struct{ issuer *issuer }

// NewSignatures returns what checks the tokens of spec.Issuer. Of o.Config only
// the intervals and AllowPrivate count. Keys are fetched by the first token that
// needs them; tokens with unknown keys cannot make that happen more often than
// Config.KeysMinInterval.
func NewSignatures(o Options, spec Issuer) (*Signatures, error) {
	m, err := newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return &Signatures{issuer: &issuer{
		spec: spec.defaults(), fetch: source(spec, newClient(o.Config.AllowPrivate), o.Config.AllowPrivate),
		metrics: m, log: o.Logger, now: o.Now, minInterval: o.Config.KeysMinInterval, maxStale: o.Config.KeysMaxStale,
	}}, nil
}

// VerifySignature returns the payload of a token that the issuer has signed. An
// [Error] means that the token is at fault, any other that nobody can know.
func (s *Signatures) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	p, err := parse(token)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(s.issuer.spec.Algorithms, p.alg) {
		return nil, fault(CodeAlgorithm, "The token's algorithm is not accepted")
	}
	_, k, err := s.issuer.key(ctx, p)
	if err != nil {
		return nil, err
	}
	err = checkSignature(p, k)
	if err != nil {
		return nil, err
	}
	_, body, _ := strings.Cut(p.signing, ".")
	return decode64(body)
}

// NewClient returns a client that follows no redirect, uses no proxy and, unless
// allowPrivate, connects to no address that only our own house can reach.
func NewClient(allowPrivate bool) *http.Client { return newClient(allowPrivate) }
