package admit

import (
	"time"

	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
)

// Suspends reports whether a stream that is open on r must end because the gateway
// does not know its verdicts: what the posture says of a request that comes holds
// for one that came before and goes on.
func Suspends(r *route.Route, who *session.Who, freshMax time.Duration, now time.Time) bool {
	switch r.Posture {
	case route.PostureDeny:
		return true
	case route.PostureStepUp:
		return !r.Public && (who.Assumed || !fresh(who.AuthTime, freshMax, now))
	}
	return false
}

// Suspended is what such a stream is told. It may come back when the standing of
// its session is known again, at a moment of its own.
func Suspended(r *route.Route, freshMax time.Duration) problem.Problem {
	p := problem.Posture()
	if r.Posture != route.PostureDeny {
		retry := p.RetryAfter
		p = problem.StepUp(nil, r.ACR, freshMax)
		p.RetryAfter = retry
	}
	return p
}

func fresh(authTime time.Time, freshMax time.Duration, now time.Time) bool {
	return !authTime.IsZero() && now.Sub(authTime) <= freshMax
}
