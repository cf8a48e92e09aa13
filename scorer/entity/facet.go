package entity

import (
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Account is what one partition knows of an account whose owner is not known.
type Account struct {
	// Refusals is the decayed number of refused second factors.
	Refusals Fading
}

// Code writes or reads the account.
func (a *Account) Code(k *snapshot.Codec) { a.Refusals.code(k) }

// Facet is what many actors share, such as a /24, a program's way to open TLS
// or an account, as the facet stage knows it.
type Facet struct {
	Suspicion Suspicion
	// SignIns and Pages are the sequential tests over sign-ins and over pages
	// that were sought in vain.
	SignIns, Pages Trial
	// Failed and Passed are the decayed numbers of sign-ins, each account once a
	// cut.
	Failed, Passed Fading
	// Strange is the decayed number of failures on accounts that are not known to
	// the tenant, as far back as a habit goes, and Usual that of all sign-ins.
	Strange, Usual Fading
	// Moved are subjects whose session came from another device, Fresh networks
	// on which a service began that was never there before.
	Moved, Fresh Recently
	// Suspended are sessions that the first stage suspended when a device showed
	// them.
	Suspended Recently
	// Networks are those on which the facet is at home.
	Networks Ring
	// Residents are who is at home here: accounts that have signed in and subjects
	// that have begun a session.
	Residents Crowd
}

// Trial is a sequential test over distinct things.
type Trial struct {
	// Nats is the state of the test.
	Nats float64
	// Seen is what has counted, Answered what spoke for innocence, Sources the
	// addresses that it came from.
	Seen, Answered, Sources Ring
	// Since is when the trial began, and At when it last faded.
	Since, At int64
}

// trialFor is after how long a trial that shows nothing begins anew: what was
// seen long ago says no more.
const trialFor = int64(12 * time.Hour)

// Fade lets the test fade to now.
func (t *Trial) Fade(now int64, halfLife time.Duration) {
	if t.Nats < 1 && now-t.Since >= trialFor {
		*t = Trial{Since: now}
	}
	if t.At != 0 {
		t.Nats = fade(t.Nats, exact.Decay(float64(now-t.At), float64(halfLife)))
	}
	t.At = max(t.At, now)
}

func (t *Trial) code(k *snapshot.Codec) {
	k.F64(&t.Nats)
	t.Seen.code(k)
	t.Answered.code(k)
	t.Sources.code(k)
	k.I64(&t.Since)
	k.I64(&t.At)
}

// Recently counts distinct things that fade.
type Recently struct {
	Count Fading
	Seen  Ring
}

// Add counts a thing that was not seen lately.
func (r *Recently) Add(h uint64, now, halfLife int64) {
	r.Count.To(now, halfLife)
	if r.Seen.Add(h, FacetNamesMax) {
		r.Count.Value = min(FacetNamesMax, r.Count.Value+1)
	}
}

func (r *Recently) code(k *snapshot.Codec) {
	r.Count.code(k)
	r.Seen.code(k)
}

// Code writes or reads the facet.
func (f *Facet) Code(k *snapshot.Codec) {
	f.Suspicion.Code(k)
	f.SignIns.code(k)
	f.Pages.code(k)
	for _, n := range []*Fading{&f.Failed, &f.Passed, &f.Strange, &f.Usual} {
		n.code(k)
	}
	f.Moved.code(k)
	f.Fresh.code(k)
	f.Suspended.code(k)
	f.Networks.code(k)
	f.Residents.code(k)
}

// Fading is a number that halves in a fixed time. The zero value is 0.
type Fading struct {
	Value float64
	At    int64
}

// To lets the number fade to now and returns it; time that runs backwards
// fades nothing.
func (f *Fading) To(now, halfLife int64) float64 {
	if f.At != 0 {
		f.Value = fade(f.Value, exact.Decay(float64(now-f.At), float64(halfLife)))
	}
	f.At = max(f.At, now)
	return f.Value
}

// Add adds to what is left now.
func (f *Fading) Add(n float64, now, halfLife int64) { f.Value = f.To(now, halfLife) + n }

func (f *Fading) code(k *snapshot.Codec) {
	k.F64(&f.Value)
	k.I64(&f.At)
}

// Rotation follows the tokens of one session.
type Rotation struct {
	// Token is the one in use and Before the one that it replaced.
	Token, Before uint64
	// At is when Token came into use, by event time, and from where.
	At              int64
	Network, Family uint64
	// RefreshAt is the last reported refresh, and from where it came.
	RefreshAt                     int64
	RefreshNetwork, RefreshFamily uint64
}

func (r *Rotation) code(k *snapshot.Codec) {
	k.U64(&r.Token)
	k.U64(&r.Before)
	k.I64(&r.At)
	k.U64(&r.Network)
	k.U64(&r.Family)
	k.I64(&r.RefreshAt)
	k.U64(&r.RefreshNetwork)
	k.U64(&r.RefreshFamily)
}

// Commons is what all facets of a tenant share.
type Commons struct {
	Key Key
	// Since is when the tenant was first seen.
	Since int64
	// Failed and Passed are the decayed numbers of sign-ins, each account once a
	// cut.
	Failed, Passed Fading
	// Known are the accounts that have signed in.
	Known Crowd
	// Marks say up to which offset each requests partition has been taken.
	Marks []Watermark
}

// Watermark is the last offset taken of a partition of a topic.
type Watermark struct {
	Topic string
	// ID tells the topic from others that had its name, Before is that of the one
	// before it, nothing of which counts any more.
	ID, Before string
	Partition  int
	Last       int64
	// At is the stream time of that partition then.
	At int64
}

// Code writes or reads the commons.
func (m *Commons) Code(k *snapshot.Codec) {
	CodeKey(k, &m.Key)
	k.I64(&m.Since)
	m.Failed.code(k)
	m.Passed.code(k)
	m.Known.code(k)
	snapshot.List(k, &m.Marks, func(w *Watermark) {
		k.Str(&w.Topic)
		k.Str(&w.ID)
		k.Str(&w.Before)
		k.Int(&w.Partition)
		k.I64(&w.Last)
		k.I64(&w.At)
	})
}
