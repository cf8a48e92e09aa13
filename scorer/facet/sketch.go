package facet

import (
	"math"
	"slices"

	schema "github.com/vigil-gateway/vigil/schemas/facet"
)

// note adds a hash to a sketch, the k smallest of distinct hashes in order
// (Bar-Yossef et al. 2002): below k it is the set itself.
func note(s *[]uint64, h uint64) {
	at, there := slices.BinarySearch(*s, h)
	switch {
	case there:
	case len(*s) < schema.SketchMax:
		*s = slices.Insert(*s, at, h)
	case at < len(*s):
		copy((*s)[at+1:], (*s)[at:])
		(*s)[at] = h
	}
}

// distinct is how many different hashes a sketch stands for, (k-1)/h_k where it
// is full (Beyer et al. 2007).
func distinct(s []uint64) float64 {
	if len(s) < schema.SketchMax {
		return float64(len(s))
	}
	largest := float64(s[len(s)-1]) / math.MaxUint64
	return max(float64(len(s)), float64(len(s)-1)/largest)
}

// each is how many names one hash of a sketch stands for.
func each(s []uint64) float64 {
	if len(s) == 0 {
		return 0
	}
	return distinct(s) / float64(len(s))
}
