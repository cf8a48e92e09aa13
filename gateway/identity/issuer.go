package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

var errStale = errors.New("no key set that is recent enough")

// issuer is a configured issuer and the keys that it has at the moment.
type issuer struct {
	spec     Issuer // With its defaults.
	required []requirement
	fetch    fetchFunc
	ask      *introspector // Nil where tokens are verified by keys.
	metrics  *metrics
	log      *slog.Logger
	now      func() time.Time

	minInterval, maxStale time.Duration
	lead                  *lead

	keys       atomic.Pointer[keySet] // Nil before the first fetch.
	freshUntil atomic.Int64           // Unix nanoseconds: the keys serve no longer.

	mu       sync.Mutex
	flight   chan struct{} // Closed when the fetch in progress ends; nil without one.
	attempt  time.Time     // When the last fetch began.
	failures int           // Since the last fetch that worked.
	err      error         // Of the last fetch.
}

// key finds the key of a token. The error is an [Error] where the issuer has no
// such key, and any other where nobody can know.
func (is *issuer) key(ctx context.Context, p parsed) (*keySet, *key, error) {
	set, k := is.find(p.kid)
	if k == nil {
		err := is.refetch(ctx)
		set, k = is.find(p.kid)
		switch {
		case k != nil:
		case err != nil:
			return nil, nil, fmt.Errorf("keys of issuer %q: %w", is.spec.Issuer, err)
		case set == nil:
			return nil, nil, fmt.Errorf("keys of issuer %q: %w", is.spec.Issuer, errStale)
		default:
			return nil, nil, fault(CodeKeyUnknown, "The token's key is not known")
		}
	}
	if !k.fits(p.alg) {
		return nil, nil, fault(CodeAlgorithm, "The token's algorithm does not go with its key")
	}
	return set, k, nil
}

// find returns the keys, nil where they are too old to serve, and the one that
// kid names.
func (is *issuer) find(kid string) (*keySet, *key) {
	set := is.fresh(is.now())
	if set == nil {
		return nil, nil
	}
	return set, set.keys[kid]
}

// fresh returns the keys, nil where they are too old to serve.
func (is *issuer) fresh(now time.Time) *keySet {
	set := is.keys.Load()
	if set == nil || now.UnixNano() > is.freshUntil.Load() {
		return nil
	}
	return set
}

// refetch asks the issuer for its keys, together with everybody else who asks
// at the time, and waits for the answer or for ctx. Where the last fetch was
// less than the least interval ago it returns the outcome of that one: unknown
// kids cost the provider nothing.
func (is *issuer) refetch(ctx context.Context) error {
	is.mu.Lock()
	flight := is.flight
	if flight == nil {
		if !is.attempt.IsZero() && is.now().Before(is.attempt.Add(is.pause())) {
			err := is.err
			is.mu.Unlock()
			return err
		}
		flight = is.launch(ctx)
	}
	is.mu.Unlock()
	select {
	case <-flight:
	case <-ctx.Done():
		return fmt.Errorf("wait for keys: %w", context.Cause(ctx))
	}
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.err
}

// pause is the least time between two fetches: after a failure it starts at a
// second and doubles, so that a provider that starts a little later than the
// gateway is soon found.
func (is *issuer) pause() time.Duration {
	if is.failures == 0 || is.failures > 10 {
		return is.minInterval
	}
	return min(time.Second<<(is.failures-1), is.minInterval)
}

// launch starts a fetch; mu is held. It outlives the request that caused it,
// because others may be waiting for it too, by at most its own timeout.
func (is *issuer) launch(ctx context.Context) chan struct{} {
	flight := make(chan struct{})
	is.flight, is.attempt = flight, is.now()
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		err := is.load(ctx)
		is.metrics.fetched(ctx, err)
		if err != nil {
			is.log.WarnContext(ctx, "fetch keys of issuer", "issuer", is.spec.Issuer, "error", err)
		}
		is.mu.Lock()
		defer is.mu.Unlock()
		is.err = err
		is.failures++
		if err == nil {
			is.failures = 0
		}
		is.flight = nil
		close(flight)
	}()
	return flight
}

// load fetches the keys and puts them to use. The last good ones stay where
// that fails.
func (is *issuer) load(ctx context.Context) error {
	document, err := is.fetch(ctx)
	if err != nil {
		return err
	}
	return is.use(document, func(kid string, why error) {
		is.log.DebugContext(ctx, "key is not usable", "issuer", is.spec.Issuer, "kid", kid, "reason", why)
	})
}

// use parses a document and serves its keys from now on.
func (is *issuer) use(document []byte, skipped func(kid string, why error)) error {
	set, err := parseKeySet(document, skipped)
	if err != nil {
		return err
	}
	is.keys.Store(is.keys.Load().heir(set))
	is.freshUntil.Store(is.now().Add(is.maxStale).UnixNano())
	return nil
}

// loadFile loads the keys of a file, at start.
func (is *issuer) loadFile() error {
	document, err := readFile(is.spec.JWKSFile)
	if err != nil {
		return err
	}
	return is.use(document, func(string, error) {})
}

// follow keeps the keys up to date until ctx ends.
func (is *issuer) follow(ctx context.Context, refresh time.Duration) {
	if is.spec.JWKSFile != "" {
		refresh = filePoll
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		wait := refresh
		err := is.refetch(ctx)
		if err != nil {
			is.mu.Lock()
			wait = min(refresh, is.pause())
			is.mu.Unlock()
		}
		timer.Reset(wait)
	}
}
