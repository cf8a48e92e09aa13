package route

import (
	"fmt"
	"time"
)

// ReleaseScored is what a response may wait for: that its own event is scored.
const ReleaseScored = "scored"

// ElsePosture says that the route's own posture decides about a response that is not
// known to be scored in time.
const ElsePosture = "posture"

const (
	// releaseUsual is how long a response waits where the route does not say: several
	// times what scoring takes.
	releaseUsual = 50 * time.Millisecond
	// releaseLeast and releaseMost bound what a route may say.
	releaseLeast = time.Millisecond
	releaseMost  = 5 * time.Second
)

// ReleaseSpec holds the response of a route back until its own event is scored, so
// that a request that is found out gets nothing. It covers what is judged about one
// subject when the upstream's header is there; not what is found over many subjects,
// and not what the whole answer shows, such as its size or that of a stream.
type ReleaseSpec struct {
	// Until is scored, which is also meant where it is empty.
	Until string `mapstructure:"until"`
	// Max is how long the first byte may be held back, 1ms to 5s; 50ms where it is 0.
	Max time.Duration `mapstructure:"max"`
	// Else says what becomes of a response that is not scored by then, or may not wait
	// because too many do: posture (the route's), allow, step_up or deny; posture where
	// empty. The upstream has done its work in any case.
	Else string `mapstructure:"else"`
}

// Release is a release barrier. Immutable.
type Release struct {
	Max  time.Duration
	Else string // A constant Posture…; never empty.
}

// faults reports what is wrong with the barrier of a route, each named by its key.
func (r *ReleaseSpec) faults(s *Spec) []error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if r.Until != "" {
		err := checkOneOf(r.Until, []string{ReleaseScored})
		if err != nil {
			fault(".until: %w", err)
		}
	}
	if r.Max != 0 && (r.Max < releaseLeast || r.Max > releaseMost) {
		fault(".max: must be between %s and %s, is %s", releaseLeast, releaseMost, r.Max)
	}
	if r.Else != "" {
		err := checkOneOf(r.Else, []string{ElsePosture, PostureAllow, PostureStepUp, PostureDeny})
		if err != nil {
			fault(".else: %w", err)
		}
	}
	if s.Public {
		fault(": a public route has nothing to wait for: what is judged in time is about sessions, which it does not ask for")
	}
	if s.SignIn != nil {
		fault(": a sign-in has nothing to wait for: it is judged by its outcome, over many subjects, which no response waits for")
	}
	return errs
}

// compile turns a spec that has no faults into the barrier of a route, whose posture
// is known; nil for none.
func (r *ReleaseSpec) compile(posture string) *Release {
	if r == nil {
		return nil
	}
	out := &Release{Max: r.Max, Else: r.Else}
	if out.Max == 0 {
		out.Max = releaseUsual
	}
	if out.Else == "" || out.Else == ElsePosture {
		out.Else = posture
	}
	return out
}
