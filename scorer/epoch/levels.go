package epoch

import (
	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Level numbers the steps by which habits back off to those of others.
type Level int

// The levels.
const (
	// SubjectToTenant is that of subjects without a peer group.
	SubjectToTenant Level = iota
	// SubjectToGroup is that of the others, and GroupToTenant that of the groups
	// themselves.
	SubjectToGroup
	GroupToTenant
	// Levels is their number.
	Levels int = iota
)

// Likelihoods compare concentrations by level and habit.
type Likelihoods [Levels][Habits]profile.Likelihood

// Merge adds what others have seen. The order of merges is part of the result.
func (l *Likelihoods) Merge(o *Likelihoods) {
	for level := range l {
		for i := range l[level] {
			l[level][i].Merge(&o[level][i])
		}
	}
}

// Decay multiplies what was seen by f, in (0, 1].
func (l *Likelihoods) Decay(f float64) {
	for level := range l {
		for i := range l[level] {
			l[level][i].Decay(f)
		}
	}
}

// Code writes or reads them.
func (l *Likelihoods) Code(k *snapshot.Codec) {
	for level := range l {
		for i := range l[level] {
			l[level][i].Code(k)
		}
	}
}

// Concentrations are how many observations of a habit that of the next level is
// worth, by level and habit; 0 where that is not known.
type Concentrations [Levels][Habits]float64

// fit takes the most likely concentrations, and keeps those of which too little
// was seen.
func (c *Concentrations) fit(l *Likelihoods) {
	for level := range l {
		for i := range l[level] {
			a, ok := l[level][i].Best()
			if ok {
				c[level][i] = a
			}
		}
	}
}

func (c *Concentrations) code(k *snapshot.Codec) {
	for level := range c {
		for i := range c[level] {
			k.F64(&c[level][i])
			if k.Reading() {
				c[level][i] = min(1e6, max(0, c[level][i]))
			}
		}
	}
}
