package evidence

import (
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
)

const (
	// refusalsFree is how many second factors anyone may mistype within an hour;
	// from AcceptedAfter on, the one that is accepted proves nothing.
	refusalsFree, refusalNats, acceptedNats = 2, 0.75, 3
	refusalsHalfLife                        = int64(time.Hour)
	refusalsMax                             = 40
)

// AcceptedAfter is the number of refused second factors after which an accepted
// one may be that of a person who was worn down.
const AcceptedAfter = 3

// fatigue counts refused second factors, by subject where it is known, else by
// account: somebody may be asking until the owner gives in.
func (k *Collector) fatigue(x *Context) {
	outcome := x.Event.GetAuthOutcome()
	if outcome == event.AuthFailure {
		return // A wrong password is not a wrong factor.
	}
	var r *entity.Fading
	switch {
	case x.Subject != nil:
		if outcome == event.AuthSuccess && x.Subject.Refused().Value == 0 {
			return
		}
		r = x.Subject.Refusals()
	case x.Account != nil:
		r = &x.Account.Refusals
	default:
		return
	}
	count := r.To(x.At, refusalsHalfLife)
	accepted := outcome == event.AuthSuccess
	if !accepted {
		count = min(refusalsMax, count+1)
		r.Value = count
	}
	nats := float64(refusalNats * (count - refusalsFree))
	how := "refused"
	if accepted {
		if count < AcceptedAfter-0.5 { // Some of them have faded a little.
			r.Value = 0
			return
		}
		nats = acceptedNats + float64(2*nats)
		how = "refused before one was accepted"
	}
	n := k.cut(MFAFatigue, nats)
	if n > 0 {
		k.add(MFAFatigue, n, false, k.sayf("%.0f second factors within an hour were %s", count, how))
	}
}

// WornDown reports whether a sign-in now may be that of a person who was asked
// for a second factor until he gave in: it proves nothing.
func WornDown(s *entity.Subject, at int64) bool {
	r := s.Refused()
	return r.To(at, refusalsHalfLife) >= AcceptedAfter-0.5
}
