package entity

import (
	"github.com/vigil-gateway/vigil/scorer/exact"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Facet is what many actors share and one partition sees of it: the sign-ins
// of a /24 or /48, or those on one account.
type Facet struct {
	// Test is the state of the sequential test of the facet, in nats.
	Test float64
	// Failed and Passed are what failed and what succeeded: the accounts of a
	// prefix, the networks of an account. Sources are the addresses of a prefix.
	Failed, Passed, Sources Ring
	// Refusals is the decayed number of refused second factors.
	Refusals Fading
	Last     int64
}

// Code writes or reads the facet.
func (f *Facet) Code(k *snapshot.Codec) {
	k.F64(&f.Test)
	f.Failed.code(k)
	f.Passed.code(k)
	f.Sources.code(k)
	f.Refusals.code(k)
	k.I64(&f.Last)
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
