package evidence

import (
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
)

const (
	// wafLeast is the score of one critical rule of the OWASP Core Rule Set.
	wafLeast = 5
	// wafNats is what each point above wafFree adds.
	wafNats, wafFree = 0.5, 3
	// wafPrior is how many clean sessions in a hundred a template is thought to
	// have flagged before there is any history.
	wafPrior = 0.01
	// wafMore is ln 2 for each critical rule more: of the honest requests that one
	// rule is wrong about, another is wrong about every second.
	wafMore = 0.69 / wafLeast
	// wafAgain is what the same finding counts when it comes again.
	wafAgain = 0.25
	// wafMost is where a score is cut: forty critical rules say no more than all of
	// them, and what is far beyond is no whole number on every machine.
	wafMost = 200
)

// waf takes the firewall's score as far as the template is not used to it.
func (k *Collector) waf(x *Context) {
	score := min(wafMost, finite(x.Event.GetWafScore()))
	if !(score >= wafLeast) {
		return
	}
	name := short(templateName(x))
	k.first(x, entity.Flagged, name)
	habits := &x.Tenant.Addresses
	if x.Subject != nil {
		habits = &x.Tenant.Subjects
	}
	p := (x.Tenant.Flagged.N(name) + wafPrior) / (habits.Kinds[entity.Routes].N(name) + 1)
	rare := -exact.Ln(min(1, p))
	if rare > 0 {
		// As far as the template is not used to being flagged at all.
		rare += float64(float64(wafMore*(score-wafLeast)) * min(1, rare/-exact.Ln(wafPrior)))
	}
	raw := min(float64(wafNats*(score-wafFree)), rare)
	sc := scanOf(x)
	if x.Spares.Add(&sc.Flags, hash(name)^uint64(score)<<1^hash(x.Event.GetPath()), entity.FlagsMax) {
		sc.Flagged.Value = min(missingMax, sc.Flagged.To(x.At, int64(scanHalfLife))+raw)
	} else {
		sc.Flagged.Value = min(missingMax, sc.Flagged.To(x.At, int64(scanHalfLife))+float64(wafAgain*raw))
	}
	n := k.cut(WAFScore, sc.Flagged.Value)
	if n > 0 {
		k.add(WAFScore, n, true, k.sayf("the firewall gives a request to %s %.0f points", name, score))
	}
}
