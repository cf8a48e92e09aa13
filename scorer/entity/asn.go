package entity

import (
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

const (
	// asnHalfLife is after how long what happened in a network counts half: who
	// hires machines for an attack leaves them within weeks.
	asnHalfLife = int64(7 * 24 * time.Hour)
	// unansweredAfter is how long somebody who was asked to confirm who he is has to
	// do so, before it counts that he has not.
	unansweredAfter = int64(10 * time.Minute)
)

// ASN is what one partition knows of an autonomous system that a tenant's subjects
// and sign-ins come from. The zero value knows nothing.
type ASN struct {
	// residents are subjects with a history who have taught from there of late;
	// doubted are such whose session was suspended there and who have not answered.
	residents, doubted voices
	// failed and passed are the accounts whose sign-ins from there failed and
	// succeeded.
	failed, passed Recently
}

// Attackers is what a tenant knows of its attackers' networks altogether, to measure
// one [ASN] by: the decayed numbers of doubted subjects, and of accounts that
// failed and passed, each once in each network.
type Attackers struct{ doubted, failed, passed Fading }

// Reside notes that a subject's clean session has taught from there: so it was no
// thief's, nor was what it was doubted for.
func (a *ASN) Reside(all *Attackers, subject uint64, now int64) {
	a.Answer(all, subject, now)
	a.residents.note(subject, now)
}

// Residents is how many subjects are at home there, decayed, at most
// [ASNVoicesMax].
func (a *ASN) Residents(now int64) float64 {
	n := 0.0
	for _, v := range a.residents {
		n += v.left(now)
	}
	return n
}

// Doubt notes that a subject's session was suspended there.
func (a *ASN) Doubt(all *Attackers, subject uint64, now int64) {
	a.Answer(all, subject, now)
	a.doubted.note(subject, now)
	all.doubted.Add(1, now, asnHalfLife)
}

// Answer forgets the doubt of a subject, who has proven who he is.
func (a *ASN) Answer(all *Attackers, subject uint64, now int64) {
	i := a.doubted.find(subject)
	if i < 0 {
		return
	}
	all.doubted.Value = max(0, all.doubted.To(now, asnHalfLife)-a.doubted[i].left(now))
	a.doubted = slices.Delete(a.doubted, i, i+1)
}

// Doubted is how many subjects, but the one given, were suspended there and have not
// answered, decayed, and how many were in all networks.
func (a *ASN) Doubted(all *Attackers, but uint64, now int64) (here, everywhere float64) {
	for _, v := range a.doubted {
		if v.who != but && now-v.at >= unansweredAfter {
			here += v.left(now)
		}
	}
	total := all.doubted
	return here, max(here, total.To(now, asnHalfLife))
}

// SignIn notes how a sign-in from there ended, by the hash of its account.
func (a *ASN) SignIn(all *Attackers, account uint64, passed bool, now int64) {
	own, total := &a.failed, &all.failed
	if passed {
		own, total = &a.passed, &all.passed
	}
	before := own.Count.To(now, asnHalfLife)
	own.Add(account, now, asnHalfLife)
	total.Add(own.Count.Value-before, now, asnHalfLife)
}

// Failed is by how many the accounts whose sign-ins failed exceed those that passed,
// decayed, there and in all networks. Each that passes speaks for one that fails:
// of a stolen list a few in a hundred pass, of people four in five.
func (a *ASN) Failed(all *Attackers, now int64) (here, everywhere float64) {
	excess := func(failed, passed Fading) float64 { // Copies: to ask changes nothing.
		return max(0, failed.To(now, asnHalfLife)-passed.To(now, asnHalfLife))
	}
	here = excess(a.failed.Count, a.passed.Count)
	return here, max(here, excess(all.failed, all.passed))
}

// Code writes or reads the network.
func (a *ASN) Code(k *snapshot.Codec) {
	a.residents.code(k)
	a.doubted.code(k)
	a.failed.code(k)
	a.passed.code(k)
}

func (a *Attackers) code(k *snapshot.Codec) {
	a.doubted.code(k)
	a.failed.code(k)
	a.passed.code(k)
}

// voices are the subjects who were noted last, at most [ASNVoicesMax], each with one
// voice however often he is noted.
type voices []voice

type voice struct {
	who uint64
	at  int64
}

// left is what the voice still counts, 1 at first.
func (v *voice) left(now int64) float64 {
	return exact.Decay(float64(max(0, now-v.at)), float64(asnHalfLife))
}

func (l voices) find(who uint64) int {
	return slices.IndexFunc(l, func(v voice) bool { return v.who == who })
}

// note takes a voice down; where there are too many, the oldest gives way.
func (l *voices) note(who uint64, now int64) {
	i := l.find(who)
	switch {
	case i >= 0:
	case len(*l) < ASNVoicesMax:
		*l = add(*l, voice{})
		i = len(*l) - 1
	default:
		i = 0
		for j := range *l {
			if (*l)[j].at < (*l)[i].at {
				i = j
			}
		}
	}
	(*l)[i] = voice{who, now}
}

func (l *voices) code(k *snapshot.Codec) {
	snapshot.List(k, (*[]voice)(l), func(v *voice) {
		k.U64(&v.who)
		k.I64(&v.at)
	})
	if len(*l) > ASNVoicesMax {
		*l = (*l)[:ASNVoicesMax]
	}
}
