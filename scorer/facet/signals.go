package facet

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/exact"
)

const (
	signInHalfLife = int64(30 * time.Minute)
	pagesHalfLife  = 15 * time.Minute
	targetHalfLife = 6 * time.Hour
	movedHalfLife  = int64(24 * time.Hour)
	// suspendedHalfLife is how long sessions that were suspended one after the
	// other count together.
	suspendedHalfLife = int64(24 * time.Hour)
	freshHalfLife     = int64(time.Hour)
	// routeHalfLife is how far back a route's own share of failures goes.
	routeHalfLife = int64(7 * 24 * time.Hour)

	// attackFails is the share of an attacker's sign-ins that fail. Of honest
	// ones usualFails do, which weighs as much as usualWeight sign-ins.
	attackFails, usualFails, usualWeight = 0.97, 0.2, 5
	// attackStrange is the share of an attacker's sign-ins that fail on accounts
	// which nobody has; usualStrange and its weight are where a route begins.
	attackStrange, usualStrange, strangeWeight = 0.9, 0.1, 30
	// worseWeight is what the usual share weighs against what fails at home now.
	worseWeight = 3
	// teachBelow is the test of a route, in nats, below which it teaches what is
	// usual there.
	teachBelow = 8
	trialMax   = 40

	// targetNats is what each network beyond targetFree adds from which one
	// account failed.
	targetFree, targetNats = 3, 1.2
	// Of one page, as scan.not_found_share has it.
	missingNats, foundNats, pagesFree, pagesSources = 1.0, -0.5, 6, 3
	movedFree, movedNats                            = 1, 4
	// suspendedNats is what each suspended session beyond suspendedFree adds.
	suspendedFree, suspendedNats          = 1, 6.5
	freshFree, freshNats, freshConfidence = 1, 2, 20

	// Before a JA4, a client or a route says something about all of a tenant, so
	// many of its accounts must be known, or fewer for so long.
	knownLeast, knownFew, knownFor = 20, 5, int64(72 * time.Hour)
	// sharedFree and sharedShare are how many people may be at home in a facet,
	// on top of one for so many failed accounts, before it counts as theirs, too:
	// an attacker now and then hits.
	sharedFree, sharedShare = 3, 0.1
)

// rule is how sign-ins of one kind of facet are judged.
type rule struct {
	// rank is the place of the kind, narrowest first.
	rank   int
	signal evidence.Signal
	// free is what anyone may collect, in nats, and sources the addresses from
	// which it must come.
	free    float64
	sources int
	// wide kinds are shared by strangers: they are silent where honest people are
	// behind them, and until the tenant is known.
	wide bool
	what string
}

const routeRank = 6

// rules in the order of their rank.
//
//nolint:gochecknoglobals // A constant: Go has no constant tables.
var rules = [...]rule{
	{rank: 0, signal: evidence.SprayedPrefix, free: 6, sources: 1, what: "one device"},
	{rank: 1, signal: evidence.Botnet, free: 6, sources: 3, what: "one program (JA4) in one network"},
	{rank: 2, signal: evidence.SprayedPrefix, free: 6, sources: 2, what: "one network"},
	{rank: 3, signal: evidence.TargetedAccount},
	{rank: 4, signal: evidence.Botnet, free: 6, sources: 5, wide: true, what: "one program (JA4)"},
	{rank: 5, signal: evidence.SprayedPrefix, free: 8, sources: 5, wide: true, what: "one client"},
	{rank: routeRank, signal: evidence.Botnet, free: 24, sources: 20, wide: true},
}

func ruleOf(kind, id string) *rule {
	switch kind {
	case verdict.TargetDevice:
		return &rules[0]
	case verdict.TargetJA4:
		if strings.Contains(id, "@") {
			return &rules[1]
		}
		return &rules[4]
	case verdict.TargetPrefix:
		return &rules[2]
	case verdict.TargetAccount:
		return &rules[3]
	case verdict.TargetClient:
		return &rules[5]
	case verdict.TargetRoute:
		return &rules[6]
	}
	return nil
}

// shared reports whether honest people are behind a facet.
func shared(f *entity.Facet) bool {
	return f.Residents.Size() > sharedFree+float64(sharedShare*float64(f.SignIns.Seen.Len()))
}

// shownBy is an event that shows a facet and nothing else, to ask the model for
// its exceptions.
func shownBy(tenant string, t *verdict.Target) *event.RequestEvent {
	ev := &event.RequestEvent{Tenant: tenant}
	switch t.GetKind() {
	case verdict.TargetClient:
		ev.ClientId = t.GetId()
	case verdict.TargetRoute:
		ev.Route = t.GetId()
	case verdict.TargetPrefix:
		p, err := netip.ParsePrefix(t.GetId())
		if err == nil {
			ev.Address = p.Addr().String()
		}
	}
	return ev
}

func (e *Engine) add(s evidence.Signal, nats float64, strong bool, text string) {
	set := &e.model.Signals[s]
	if !set.On || !(nats > 0.05) {
		return
	}
	e.found = append(e.found, evidence.Finding{Signal: s, Nats: min(nats, set.Max), Strong: strong, Text: text})
}

// signals runs what there is to say about a facet. explained is how many of
// the cut's failures narrower facets answer for.
func (e *Engine) signals(s *suspect, m *entity.Commons, explained float64) {
	d := s.delta
	if len(d.GetFailed())+len(d.GetPassed()) > 0 {
		weight := each(d.GetFailed())
		if n := distinct(d.GetFailed()); n > 0 {
			weight *= max(0, 1-explained/n)
		}
		switch d.GetKind() {
		case verdict.TargetAccount:
			e.targeted(s)
		case verdict.TargetRoute:
			e.route(s, m, weight)
		default:
			e.signIns(s, m, weight)
		}
	}
	if len(d.GetMissing()) > 0 || d.GetFound() > 0 {
		e.pages(s)
	}
	if len(d.GetMoved()) > 0 {
		e.moved(s)
	}
	if len(d.GetSuspended()) > 0 {
		e.suspended(s)
	}
	if len(d.GetNetworks()) > 0 {
		e.spread(s)
	}
}

// known reports whether a tenant is known well enough to be judged as a whole.
func (e *Engine) known(m *entity.Commons) bool {
	n := m.Known.Size()
	return n >= knownLeast || n >= knownFew && e.now-m.Since >= knownFor
}

// signIns is Wald's sequential test (1945) with one step per account, against
// what fails in the rest of the tenant.
func (e *Engine) signIns(s *suspect, m *entity.Commons, weight float64) {
	d, f := s.delta, s.facet
	t := &f.SignIns
	t.Fade(e.now, time.Duration(signInHalfLife))
	f.Failed.Add(distinct(d.GetFailed()), e.now, signInHalfLife)
	f.Passed.Add(distinct(d.GetPassed()), e.now, signInHalfLife)
	failed := max(0, m.Failed.Value-f.Failed.Value)
	all := failed + max(0, m.Passed.Value-f.Passed.Value)
	usual := min(attackFails, max(usualFails, (failed+float64(usualFails*usualWeight))/(all+usualWeight)))
	failedNats, passedNats := exact.Ln(attackFails/usual), exact.Ln((1-attackFails)/(1-usual))
	for _, a := range d.GetPassed() {
		if t.Answered.Add(a, entity.FacetNamesMax) {
			t.Nats = max(0, t.Nats+float64(each(d.GetPassed())*passedNats))
		}
	}
	grown := false
	for _, a := range d.GetFailed() {
		if !f.Residents.Has(a) && t.Seen.Add(a, entity.FacetNamesMax) {
			t.Nats = min(trialMax, t.Nats+float64(weight*failedNats))
			grown = true
		}
	}
	remember(&t.Sources, d.GetSources())
	if !grown || t.Sources.Len() < s.rules.sources || s.rules.wide && (s.shared || !e.known(m)) {
		return
	}
	e.add(s.rules.signal, t.Nats-s.rules.free, !s.shared, fmt.Sprintf("%d accounts failed to sign in from %d addresses by %s, %d succeeded",
		t.Seen.Len(), t.Sources.Len(), s.rules.what, t.Answered.Len()))
}

// route is the same test on accounts that nobody has, or not where they are tried
// from, against the route's own history, which an attack does not teach.
func (e *Engine) route(s *suspect, m *entity.Commons, weight float64) {
	d, f := s.delta, s.facet
	t := &f.SignIns
	t.Fade(e.now, time.Duration(signInHalfLife))
	strange, usual := f.Strange.To(e.now, routeHalfLife), f.Usual.To(e.now, routeHalfLife)
	share := max(0.02, (strange+float64(usualStrange*strangeWeight))/(usual+strangeWeight))
	share = min(attackStrange, share*e.worse(s, m))
	strangeNats, otherNats := exact.Ln(attackStrange/share), exact.Ln((1-attackStrange)/(1-share))
	strangers, others := 0.0, distinct(d.GetPassed())
	for _, a := range d.GetFailed() {
		switch {
		case !e.strange(a, m):
			others += each(d.GetFailed())
		case t.Seen.Add(a, entity.FacetNamesMax):
			strangers += weight
		}
	}
	t.Nats = min(trialMax, max(0, t.Nats+float64(others*otherNats))+float64(strangers*strangeNats))
	remember(&t.Sources, d.GetSources())
	if t.Nats < teachBelow {
		f.Strange.Add(strangers, e.now, routeHalfLife)
		f.Usual.Add(strangers+others, e.now, routeHalfLife)
	}
	if strangers == 0 || t.Sources.Len() < s.rules.sources || !e.known(m) {
		return
	}
	e.add(s.rules.signal, t.Nats-s.rules.free, true, fmt.Sprintf("%d accounts that nobody has, or not there, failed to sign in from %d addresses; usually %.0f %% of the sign-ins here are such",
		t.Seen.Len(), t.Sources.Len(), 100*share))
}

// estrange notes which accounts of a cut failed where they are not at home.
func (e *Engine) estrange(list []suspect) {
	clear(e.away)
	for i := range list {
		s := &list[i]
		if s.delta.GetKind() != verdict.TargetAccount || s.facet.Residents.Size() == 0 {
			continue
		}
		for _, n := range s.delta.GetFailed() {
			account := evidence.Hash(s.delta.GetId())
			e.away[account] = e.away[account] || !s.facet.Residents.Has(n)
		}
	}
}

// strange reports whether nobody is known to have an account, or not where it
// has just been tried from.
func (e *Engine) strange(account uint64, m *entity.Commons) bool {
	away, known := e.away[account]
	if known {
		return away
	}
	return !m.Known.Has(account)
}

// worse is how many times more often than usual sign-ins fail on accounts where
// they are at home: when the directory is down, strangers fail as they do.
func (e *Engine) worse(s *suspect, m *entity.Commons) float64 {
	d, f := s.delta, s.facet
	known := 0.0
	for _, a := range d.GetFailed() {
		if !e.strange(a, m) {
			known += each(d.GetFailed())
		}
	}
	f.Failed.Add(known, e.now, signInHalfLife)
	f.Passed.Add(distinct(d.GetPassed()), e.now, signInHalfLife)
	now := (f.Failed.Value + float64(usualFails*worseWeight)) / (f.Failed.Value + f.Passed.Value + worseWeight)
	return max(1, now/usualFails)
}

// targeted counts the networks from which one account failed.
func (e *Engine) targeted(s *suspect) {
	d, t := s.delta, &s.facet.SignIns
	t.Fade(e.now, targetHalfLife)
	grown := false
	for _, n := range d.GetFailed() {
		if !s.facet.Residents.Has(n) && t.Seen.Add(n, entity.FacetNamesMax) {
			t.Nats = min(trialMax, t.Nats+each(d.GetFailed()))
			grown = true
		}
	}
	if grown {
		e.add(evidence.TargetedAccount, float64(targetNats*(t.Nats-targetFree)), true,
			fmt.Sprintf("one account failed to sign in from %d networks where it never succeeded", t.Seen.Len()))
	}
}

// pages is the sequential test of scan.not_found_share over a prefix.
func (e *Engine) pages(s *suspect) {
	d, t := s.delta, &s.facet.Pages
	t.Fade(e.now, pagesHalfLife)
	t.Nats = max(0, t.Nats+float64(foundNats*float64(d.GetFound())))
	grown := false
	for _, p := range d.GetMissing() {
		if t.Seen.Add(p, entity.FacetNamesMax) {
			t.Nats = min(trialMax, t.Nats+float64(missingNats*each(d.GetMissing())))
			grown = true
		}
	}
	remember(&t.Sources, d.GetSources())
	if grown && t.Sources.Len() >= pagesSources {
		e.add(evidence.ProbingNeighbours, t.Nats-pagesFree, !s.shared,
			fmt.Sprintf("%d different paths that do not exist, asked for from %d addresses of one network", t.Seen.Len(), t.Sources.Len()))
	}
}

// moved counts subjects whose session came to one device from another.
func (e *Engine) moved(s *suspect) {
	n := &s.facet.Moved
	for _, subject := range s.delta.GetMoved() {
		n.Add(subject, e.now, movedHalfLife)
	}
	e.add(evidence.SharedDevice, float64(movedNats*(n.Count.Value-movedFree)), true,
		fmt.Sprintf("the sessions of %d people came to this device from others", n.Seen.Len()))
}

// suspended counts sessions that the first stage has suspended on one device. What
// asks somebody to confirm who he is supports no more here. Where honest people are
// behind the device, as behind a kiosk, only what the first stage has set against
// sessions elsewhere counts.
func (e *Engine) suspended(s *suspect) {
	n := &s.facet.Suspended
	for _, session := range s.delta.GetSuspended() {
		n.Add(session, e.now, suspendedHalfLife)
	}
	count := float64(s.delta.GetTogether())
	text := fmt.Sprintf("%d sessions of one subject were suspended on this device while he goes on elsewhere", s.delta.GetTogether())
	if !s.shared && n.Count.Value > count {
		count, text = n.Count.Value, fmt.Sprintf("%d sessions were suspended on this device", n.Seen.Len())
	}
	e.add(evidence.SuspendedDevice, float64(suspendedNats*(count-suspendedFree)), false, text)
}

// spread counts networks that are news to a client's services.
func (e *Engine) spread(s *suspect) {
	f := s.facet
	home := f.Residents.Size()
	grown := false
	for _, n := range s.delta.GetNetworks() {
		if f.Networks.Add(n, entity.FacetNamesMax) && home > 0 {
			f.Fresh.Add(n, e.now, freshHalfLife)
			grown = true
		}
	}
	if grown {
		c := home / (home + freshConfidence)
		e.add(evidence.ClientSpread, float64(c*float64(freshNats*(f.Fresh.Count.Value-freshFree))), true,
			fmt.Sprintf("services of one client began in %d networks where it never was", f.Fresh.Seen.Len()))
	}
}

// remember adds what a sketch holds to a ring.
func remember(r *entity.Ring, s []uint64) {
	for _, h := range s {
		r.Add(h, entity.FacetNamesMax)
	}
}

// settle lets who signed in or began a session be at home in the facet, once
// all are judged. Who comes to a facet with a verdict in force is not.
func (e *Engine) settle(s *suspect) {
	f := s.facet
	if s.rules.rank == routeRank || f.Suspicion.Level > 0 && e.now < f.Suspicion.LevelUntil {
		return
	}
	words := entity.CrowdSmall
	if s.delta.GetKind() == verdict.TargetAccount {
		words = entity.CrowdTiny // Of networks.
	}
	for _, names := range [][]uint64{s.delta.GetPassed(), s.delta.GetUsers()} {
		for _, h := range names {
			f.Residents.Add(h, words, e.now)
		}
	}
}
