package benchgateway

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Options say what is measured, and how often.
type Options struct {
	// Repetitions of everything, 1 to [RepetitionsMax]; a result needs five.
	Repetitions int
	// Seconds that each warm measurement lasts, 1 to [SecondsMax].
	Seconds int
	// Tokens are how many are in use, 1 to [TokensMax].
	Tokens int
	// Revoked is how many sessions the gateway holds as revoked, 0 to [RevokedMax].
	Revoked int
	// New is how many tokens each cold measurement has, all of them new.
	New int
	// Rate is that of the latencies, per second.
	Rate int
	// Parts are what is measured: warm, cold, latency, hit; all where empty.
	Parts []string

	// Gateway is the program under test, Silent the same built with the tag
	// unrecorded; Up is this program with its engines.
	Gateway, Silent, Up string
	// Beside are other builds of the gateway to measure in the same run.
	Beside []string
	// Library is that of the embedded ClickHouse.
	Library string
	// HAProxy, Nginx and Envoy are the peers; empty for one that is not there.
	// Nginx is the service behind every proxy too, and must be.
	HAProxy, Nginx, Envoy string
	// Progress gets a line for each step.
	Progress io.Writer `json:"-"`
}

// DefaultOptions lack the programs.
func DefaultOptions() Options {
	return Options{Repetitions: 5, Seconds: 3, Tokens: 2000, Revoked: 100_000, New: 4000, Rate: 1500, Progress: io.Discard}
}

// Validate reports every fault at once, each named by its flag.
func (o Options) Validate() error {
	var errs []error
	for _, f := range []struct {
		name      string
		v, lo, hi int
	}{
		{"repetitions", o.Repetitions, 1, RepetitionsMax},
		{"seconds", o.Seconds, 1, SecondsMax},
		{"tokens", o.Tokens, 1, TokensMax},
		{"revoked", o.Revoked, 0, RevokedMax},
		{"new", o.New, 100, TokensMax},
		{"rate", o.Rate, 100, 20_000},
	} {
		if f.v < f.lo || f.v > f.hi {
			errs = append(errs, fmt.Errorf("--%s: must be between %d and %d, is %d", f.name, f.lo, f.hi, f.v))
		}
	}
	for _, part := range o.Parts {
		if !slices.Contains(parts(), part) {
			errs = append(errs, fmt.Errorf("--parts: must be some of %s, is %q", strings.Join(parts(), ", "), part))
		}
	}
	if o.Nginx == "" {
		errs = append(errs, errors.New("nginx is missing: it is the service behind every proxy; install nginx-light"))
	}
	if o.HAProxy == "" {
		errs = append(errs, errors.New("haproxy is missing: every figure is a ratio to it; install haproxy"))
	}
	return errors.Join(errs...)
}

// Parts of a run.
const (
	partHit     = "hit"
	partWarm    = "warm"
	partCold    = "cold"
	partLatency = "latency"
)

func parts() []string { return []string{partHit, partWarm, partCold, partLatency} }

func (o Options) wants(part string) bool { return len(o.Parts) == 0 || slices.Contains(o.Parts, part) }
