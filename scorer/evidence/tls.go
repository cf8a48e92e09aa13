package evidence

import (
	"strings"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/exact"
)

const (
	// claimedLeast is how many sessions of a browser a tenant must have taught
	// before a fingerprint can contradict it.
	claimedLeast = 20
	// forgedAttack is how often an attacker who copies a user agent does not copy
	// the handshake, spread over the fingerprints of his tools.
	forgedAttack = 0.05
	// commonLeast is from how many taught sessions on a handshake is a browser's
	// own: one alone may be the attacker's.
	commonLeast = 5
	// otherProgramNats is what it adds that the fingerprint is another program's.
	otherProgramNats = 2.5
)

// tls compares the handshake with the client that the user agent claims. The
// first two parts of a JA4 are what a library offers and stay over releases;
// the third, of the extensions, does not.
func (k *Collector) tls(x *Context) {
	ja4 := handshake(x.Event.GetJa4())
	if ja4 == "" || x.Agent.Family == "" {
		return
	}
	name := k.Names.pair(x.Agent.Family, ja4)
	judged := k.shown(x, entity.JA4s, name)
	if x.Subject == nil || !judged || x.Subject.Kinds[entity.JA4s].Has(name) {
		return
	}
	k.contradicts(x, name, ja4)
	if k.freshFamily(x) || x.Subject.Kinds[entity.JA4s].Total() == 0 {
		return
	}
	n := k.cut(NewJA4, k.novelty(x, NewJA4, entity.JA4s, name, ja4Attack))
	if n > 0 {
		k.add(NewJA4, n, false, k.sayf("first TLS handshake %s of client %s for this subject in %d requests%s",
			ja4, x.Agent.Family, x.Subject.Total, k.toGroup(x, entity.JA4s, name)))
	}
}

// contradicts looks for the fingerprint among the tenant's sessions of the
// claimed browser, and of other programs. Honest sessions show a rare one as often
// as the tenant's have shown any rare one (Good and Turing).
func (k *Collector) contradicts(x *Context, name, ja4 string) {
	claimed := x.Tenant.Subjects.Kinds[entity.Families].N(x.Agent.Family)
	pairs := &x.Tenant.Subjects.Kinds[entity.JA4s]
	if !browser(x.Agent.Family) || claimed < claimedLeast || pairs.Total() < claimedLeast || pairs.N(name) >= commonLeast {
		return
	}
	other, rare := "", 0.0
	for pair := range pairs.Names {
		program, has := strings.CutSuffix(pair, " "+ja4)
		if other == "" && has && program != x.Agent.Family && !browser(program) {
			other = program
		}
		if n := pairs.N(pair); n < commonLeast && strings.HasPrefix(pair, x.Agent.Family+" ") {
			rare += n
		}
	}
	raw := max(0, exact.Ln(forgedAttack*(claimed+1)/(rare+1)))
	if other != "" {
		raw += otherProgramNats
	}
	n := k.cut(JA4Mismatch, raw*k.arrival(x, entity.JA4s, name))
	if n <= 0 {
		return
	}
	what := ""
	if other != "" {
		what = k.sayf(", but that of %s", other)
	}
	shown := "none"
	if n := pairs.N(name); n > 0 {
		shown = k.sayf("%.0f", max(1, n))
	}
	text := k.sayf("TLS handshake %s is that of %s of the %.0f sessions of %s before%s", ja4, shown, claimed, x.Agent.Family, what)
	k.add(JA4Mismatch, n, false, text)
}

// handshake is the first two parts of a JA4, "" for what is none.
func handshake(ja4 string) string {
	a, rest, ok := strings.Cut(ja4, "_")
	b, _, more := strings.Cut(rest, "_")
	if !ok || !more || a == "" || b == "" {
		return ""
	}
	return ja4[:len(a)+1+len(b)]
}

func browser(family string) bool {
	switch family {
	case "Chrome", "Firefox", "Safari", "Edge", "Opera", "Samsung Browser", "Vivaldi", "Headless Chrome":
		return true
	}
	return false
}
