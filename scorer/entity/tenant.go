package entity

import (
	"math/bits"
	"time"

	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Tenant is what all subjects of a tenant share in this partition, and apart
// from it what its anonymous addresses do.
type Tenant struct {
	Key                 Key
	Subjects, Addresses Habits
	Arrivals            Arrivals
	Influence           Influence
	Week                profile.Week
	// MinuteRatio and HourRatio are bytes against the median of their subject:
	// what may be expected of somebody whose own measure is known.
	MinuteRatio, HourRatio profile.Numeric
	// Beats are the coefficients of variation of sessions, in per cent.
	Beats profile.Numeric
	Sizes Sizes
	// Flagged are path templates that the firewall finds fault with in clean
	// sessions, and by addresses.
	Flagged profile.Categorical
	// FadedAt is when these last decayed.
	FadedAt int64
	// Shared is what the tenant's subjects teach each other over all partitions.
	Shared   epoch.Knowledge
	Refusals Refusals
	// Lines says how often subjects send far more in an hour than is their own.
	Lines Lines
	// People and Machines say what is common on a day of either.
	People, Machines Prevalence
	// Days weighs the days of subjects by where they come from.
	Days Influence
	// Attackers says what the networks of attackers are measured by.
	Attackers Attackers
	// groups are the peer groups of the model that have been taught, in the order
	// in which they first were.
	groups []*PeerGroup
}

// ratioMiddle is the bucket of a ratio of 1.
const ratioMiddle = profile.Buckets / 2

// Ratio is a value against a median, on the scale of the tenant's ratios.
func Ratio(value, median float64) float64 {
	return value / max(1, median) * (1 << ratioMiddle)
}

// ratioLeast is how many windows of a subject must be known before its median
// says something.
const ratioLeast = 20

// LearnFlags adds the templates that the firewall found fault with.
func (t *Tenant) LearnFlags(p *Pending, weight float64) {
	for i := range p.Seen {
		if p.Seen[i].Kind == uint8(Flagged) && p.Seen[i].Fresh {
			t.Flagged.Add(p.Seen[i].Name, weight, tenantValuesMax)
		}
	}
}

// LearnShape adds what a session of a subject says about how sessions of the
// tenant look: ratios to the subject's median, hours, beats, answers.
func (t *Tenant) LearnShape(own *Habits, s *Session, now int64, halfLife time.Duration, weight float64) {
	ratios(&t.MinuteRatio, &own.MinuteBytes, s.Pending.Samples, MinuteBytes, weight)
	ratios(&t.HourRatio, &own.HourBytes, s.Pending.Samples, HourBytes, weight)
	t.Lines.learn(&own.HourBytes, s.Pending.Samples, weight)
	s.Pending.EachHour(t.Week.Add)
	if s.Beat.N >= BeatLeast {
		t.Beats.Add(profile.Bucket(s.Beat.Variation()), weight)
	}
	for _, z := range s.Pending.Sizes {
		t.Sizes.Learn(z.Template(), z.Bucket(), weight)
	}
	t.fade(now, halfLife)
}

func ratios(into, own *profile.Numeric, samples Samples, m Measure, weight float64) {
	if own.Total() < ratioLeast {
		return
	}
	median := profile.Bucket(own.Quantile(0.5)) - 1
	for _, b := range samples {
		if b.Measure == m {
			into.Add(int(b.Bucket)-median+ratioMiddle, float64(weight*float64(b.N)))
		}
	}
}

// EachHour calls yield for each hour of the week that was noted.
func (p *Pending) EachHour(yield func(int)) {
	for i, hours := range p.Hours {
		for ; hours != 0; hours &= hours - 1 {
			yield(64*i + bits.TrailingZeros64(hours))
		}
	}
}

// Sizes are the sizes of answers by template. At most [SizesMax] templates are
// followed; the one with the least answers gives way.
type Sizes struct {
	list  []sized
	index map[uint64]int
}

type sized struct {
	template uint64
	sizes    profile.Numeric
}

// Of returns the habit of a template, nil where there is none.
func (s *Sizes) Of(template uint64) *profile.Numeric {
	i, ok := s.index[templateOf(template)]
	if !ok {
		return nil
	}
	return &s.list[i].sizes
}

// Learn adds one answer.
func (s *Sizes) Learn(template uint64, bucket int, weight float64) {
	if s.index == nil {
		s.index = make(map[uint64]int)
	}
	template = templateOf(template)
	i, ok := s.index[template]
	switch {
	case ok:
	case len(s.list) < SizesMax:
		i = len(s.list)
		s.list = append(s.list, sized{template: template})
	default:
		for j := range s.list {
			if s.list[j].sizes.Total() < s.list[i].sizes.Total() {
				i = j
			}
		}
		delete(s.index, s.list[i].template)
		s.list[i] = sized{template: template}
	}
	s.index[template] = i
	s.list[i].sizes.Add(bucket, weight)
}

// fade lets what has no clock of its own decay once a day.
func (t *Tenant) fade(now int64, halfLife time.Duration) {
	const daily = int64(24 * time.Hour)
	if t.FadedAt == 0 {
		t.FadedAt = now
	}
	if now-t.FadedAt < daily {
		return
	}
	f := exact.Decay(float64(now-t.FadedAt), float64(halfLife))
	t.Shared.Fade(float64(now-t.FadedAt), float64(halfLife))
	t.FadedAt = now
	for _, n := range []*profile.Numeric{&t.MinuteRatio, &t.HourRatio, &t.Beats} {
		n.Decay(f)
	}
	for i := range t.Sizes.list {
		t.Sizes.list[i].sizes.Decay(f)
	}
	t.Flagged.Decay(f)
	t.Lines.decay(f)
}

func (s *Sizes) code(k *snapshot.Codec) {
	snapshot.List(k, &s.list, func(z *sized) {
		k.U64(&z.template)
		z.sizes.Code(k)
	})
	if k.Reading() {
		s.index = make(map[uint64]int, len(s.list))
		for i := range s.list {
			s.index[s.list[i].template] = i
		}
	}
}

// Code writes or reads the tenant.
func (t *Tenant) Code(k *snapshot.Codec) {
	CodeKey(k, &t.Key)
	t.Subjects.Code(k)
	t.Addresses.Code(k)
	t.Arrivals.code(k)
	t.Influence.code(k)
	t.Week.Code(k)
	for _, n := range []*profile.Numeric{&t.MinuteRatio, &t.HourRatio, &t.Beats} {
		n.Code(k)
	}
	t.Sizes.code(k)
	t.Flagged.Code(k)
	k.I64(&t.FadedAt)
	t.Shared.Code(k)
	t.Refusals.code(k)
	t.Lines.code(k)
	t.People.code(k)
	t.Machines.code(k)
	t.Days.code(k)
	t.Attackers.code(k)
	snapshot.List(k, &t.groups, func(g **PeerGroup) {
		if k.Reading() {
			*g = new(PeerGroup)
		}
		(*g).code(k)
	})
}
