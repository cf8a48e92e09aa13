package evidence

import (
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
)

const (
	// sprayFree is what a prefix may collect before it is news, in nats: the
	// failures of about four accounts of an office.
	sprayFree = 6
	// targetNats is what each network beyond targetFree adds from which one
	// account failed.
	targetFree, targetNats = 3, 1.2
	targetHalfLife         = 6 * time.Hour
	// refusalsFree is how many second factors anyone may mistype within an hour;
	// from AcceptedAfter on, the one that is accepted proves nothing.
	refusalsFree, refusalNats, acceptedNats = 2, 0.75, 3
	refusalsHalfLife                        = int64(time.Hour)
	refusalsMax                             = 40
)

// AcceptedAfter is the number of refused second factors after which an accepted
// one may be that of a person who was worn down.
const AcceptedAfter = 3

// across looks at the sign-ins of one prefix and on one account, whatever their
// address: what one partition sees of spraying and stuffing.
func (k *Collector) across(x *Context) {
	passed := x.Event.GetAuthOutcome() == event.AuthSuccess
	account := x.Event.GetAccount()
	if account == "" {
		return
	}
	if f := x.Prefix; f != nil {
		fadeFacet(f, x.At, loginHalfLife)
		k.prefix(x, f, hash(account), passed)
	}
	if f := x.Account; f != nil && x.Network != "" {
		fadeFacet(f, x.At, targetHalfLife)
		k.account(x, f, passed)
	}
}

func fadeFacet(f *entity.Facet, at int64, halfLife time.Duration) {
	if f.Last != 0 {
		f.Test *= exact.Decay(float64(at-f.Last), float64(halfLife))
	}
	f.Last = max(f.Last, at)
}

// prefix is the test of one address over all addresses of its prefix.
func (k *Collector) prefix(x *Context, f *entity.Facet, account uint64, passed bool) {
	if passed {
		if f.Passed.Add(account, entity.FacetAccountsMax) {
			f.Test = max(0, f.Test+passedNats)
		}
		return
	}
	if f.Passed.Has(account) {
		return // A resident who mistypes.
	}
	f.Sources.Add(hash(x.Event.GetAddress()), entity.FacetAccountsMax)
	if f.Failed.Add(account, entity.FacetAccountsMax) {
		f.Test = min(testMax, f.Test+failedNats)
	}
	if f.Sources.Len() < 2 {
		return // The address says it all.
	}
	alone := 0.0
	if x.Session.Login != nil {
		alone = x.Session.Login.Test
	}
	n := k.cut(SprayedPrefix, f.Test-max(sprayFree, alone))
	if n > 0 {
		k.add(SprayedPrefix, n, true, k.sayf("%d accounts failed to sign in from %d addresses of network %s, %d succeeded",
			f.Failed.Len(), f.Sources.Len(), k.Names.Prefix(x.Event.GetAddress()), f.Passed.Len()))
	}
}

// account counts the networks from which one account failed.
func (k *Collector) account(x *Context, f *entity.Facet, passed bool) {
	network := hash(x.Network)
	switch {
	case passed:
		f.Passed.Add(network, entity.FacetAccountsMax)
		return
	case f.Passed.Has(network):
		return // Where its owner is at home.
	case f.Failed.Add(network, entity.FacetAccountsMax):
		f.Test = min(testMax, f.Test+1)
	}
	n := k.cut(TargetedAccount, float64(targetNats*(f.Test-targetFree)))
	if n > 0 {
		k.add(TargetedAccount, n, true, k.sayf("one account failed to sign in from %d networks where it never succeeded", f.Failed.Len()))
	}
}

// fatigue counts refused second factors, by subject where it is known, else by
// account: somebody may be asking until the owner gives in.
func (k *Collector) fatigue(x *Context) {
	var r *entity.Fading
	switch {
	case x.Subject != nil:
		r = &x.Subject.Refusals
	case x.Account != nil:
		r = &x.Account.Refusals
	default:
		return
	}
	outcome := x.Event.GetAuthOutcome()
	if outcome == event.AuthFailure {
		return // A wrong password is not a wrong factor.
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
	return s.Refusals.To(at, refusalsHalfLife) >= AcceptedAfter-0.5
}
