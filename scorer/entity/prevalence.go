package entity

import (
	"math"
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

const (
	// prevalenceLevels is how many nats are told apart; the last level has all
	// beyond.
	prevalenceLevels = 20
	// prevalenceDays is how many days of subjects must be known before their share
	// says something.
	prevalenceDays = 100
	// prevalenceHalfLife is after how long a day counts half: what a new version of
	// the application makes everybody do is common within days.
	prevalenceHalfLife = 7 * 24 * time.Hour
	// voiced marks a day that is not the subject's first: who is new today speaks
	// for nobody. Days since 1970 fit below it until 2059.
	voiced = 1 << 15
	// todayMax bounds the signals of one day of a subject that are told apart: the
	// strongest.
	todayMax = 6
	// aloneMost is what the days of one subject come to at most: one a day, half of
	// which is left after prevalenceHalfLife, so 1/(1-2^(-1/7)), and that of today.
	aloneMost = 12
)

// Prevalence counts how many days of a tenant's subjects show a signal at least
// so strongly. The zero value has seen none.
type Prevalence struct {
	// Days are all days, and weight is what they weigh; rows have those with a signal.
	Days, weight float64
	rows         []prevalent
	// fadedAt is when they last decayed.
	fadedAt int64
}

type prevalent struct {
	signal uint8
	// days counts by the level that the day came to, and weights adds up what they
	// weigh.
	days, weights [prevalenceLevels]float32
}

// shown is what a subject's day has shown so far: of each signal the most.
type shown struct {
	count uint8
	seen  [todayMax]struct{ signal, level uint8 }
}

func levelOf(nats float64) uint8 { return uint8(max(0, min(nats, prevalenceLevels-1))) }

// Show takes down that the subject's day shows a signal.
func (s *Subject) Show(signal int, nats float64) {
	level := levelOf(nats)
	if level == 0 {
		return
	}
	t := &s.leave().shown
	least := 0
	for i := range t.seen[:t.count] {
		v := &t.seen[i]
		if v.signal == uint8(signal) {
			v.level = max(v.level, level)
			return
		}
		if v.level < t.seen[least].level {
			least = i
		}
	}
	switch {
	case t.count < todayMax:
		t.seen[t.count].signal, t.seen[t.count].level = uint8(signal), level
		t.count++
	case level > t.seen[least].level:
		t.seen[least].signal, t.seen[least].level = uint8(signal), level
	}
}

// DayOver reports whether now is of another day than what the subject has shown.
func (s *Subject) DayOver(now int64) bool { return s.shownOn&^voiced != uint16(Day(now))&^voiced }

// Turn begins the day of now; the one before counts with a weight from 0 to 1.
func (s *Subject) Turn(now int64, p *Prevalence, weight float64) {
	if s.shownOn&voiced != 0 {
		var t shown
		if s.left != nil {
			t = s.left.shown
		}
		p.add(&t, weight, now)
	}
	s.Unshow()
	older := uint16(0)
	if s.shownOn != 0 {
		older = voiced
	}
	s.shownOn = uint16(Day(now))&^voiced | older
}

// Unshow takes back what the day has shown: it was somebody else's.
func (s *Subject) Unshow() {
	if s.left != nil {
		s.left.shown = shown{}
	}
}

func (p *Prevalence) add(t *shown, weight float64, now int64) {
	if passed := now - p.fadedAt; passed >= int64(24*time.Hour) {
		f := exact.Decay(float64(passed), float64(prevalenceHalfLife))
		p.Days *= f
		p.weight *= f
		for i := range p.rows {
			r := &p.rows[i]
			for l := range r.days {
				r.days[l] = float32(float64(r.days[l]) * f)
				r.weights[l] = float32(float64(r.weights[l]) * f)
			}
		}
		p.fadedAt = now
	}
	p.Days++
	p.weight += weight
	for _, s := range t.seen[:t.count] {
		r := p.row(s.signal)
		r.days[s.level]++
		r.weights[s.level] += float32(weight)
	}
}

func (p *Prevalence) row(signal uint8) *prevalent {
	for i := range p.rows {
		if p.rows[i].signal == signal {
			return &p.rows[i]
		}
	}
	p.rows = append(p.rows, prevalent{signal: signal})
	return &p.rows[len(p.rows)-1]
}

// Most is the most that a signal may say, in nats. Let s be the share of days that
// show it as strongly, to a nat, or more so, two standard errors below what was
// counted, and beyond what may be an attacker's: then an honest day shows it with
// probability s at least, and no likelihood ratio exceeds 1/s. above is the share
// that is left to attackers, in [0, 1]; as much as one subject can do is theirs in
// any case. The answer is +Inf where s is nothing.
//
// Of the share by number and the one by weight the smaller counts: who comes from
// many places outweighs an office full of people, but does not outnumber it; who has
// many names in one place outnumbers it, but does not outweigh it.
func (p *Prevalence) Most(signal int, nats, above float64) float64 {
	if p.Days < prevalenceDays {
		return math.Inf(1)
	}
	for i := range p.rows {
		r := &p.rows[i]
		if r.signal != uint8(signal) {
			continue
		}
		from := levelOf(nats)
		share := min(honest(r.days[from:], p.Days, above), honest(r.weights[from:], p.weight, above))
		if !(share > 0) {
			return math.Inf(1)
		}
		return -exact.Ln(min(1, share))
	}
	return math.Inf(1)
}

// honest is the share of all that some counts come to for certain without attackers.
func honest(counts []float32, all, above float64) float64 {
	n := 0.0
	for _, c := range counts {
		n += float64(c)
	}
	return (n - max(float64(2*math.Sqrt(n))+float64(above*all), aloneMost)) / all
}

func (t *shown) code(k *snapshot.Codec) {
	b := [1 + 2*todayMax]uint64{uint64(t.count)}
	for i, s := range t.seen {
		b[1+2*i], b[2+2*i] = uint64(s.signal), uint64(s.level)
	}
	for i := range b {
		k.U64(&b[i])
	}
	t.count = uint8(min(b[0], todayMax))
	for i := range t.seen {
		t.seen[i].signal, t.seen[i].level = uint8(b[1+2*i]), uint8(min(b[2+2*i], prevalenceLevels-1))
	}
}

func (p *Prevalence) code(k *snapshot.Codec) {
	k.F64(&p.Days)
	k.F64(&p.weight)
	k.I64(&p.fadedAt)
	snapshot.List(k, &p.rows, func(r *prevalent) {
		signal := uint64(r.signal)
		k.U64(&signal)
		r.signal = uint8(signal)
		for i := range r.days {
			k.F32(&r.days[i])
			k.F32(&r.weights[i])
		}
	})
}
