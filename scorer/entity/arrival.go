package entity

import (
	"math/bits"
	"time"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// arrivalsFor is how long arrivals of one value count together.
const arrivalsFor = int64(72 * time.Hour)

// Arrivals count, for values that were news to somebody of late, how many
// different subjects and networks have shown them: what comes to many at once
// is a release. The zero value is empty; at most [ArrivalsMax] values are
// followed, and the oldest gives way.
type Arrivals struct{ list []Arrival }

// Arrival is one value. Subjects and Networks are bitmaps of hashes, 64 wide:
// beyond forty or so they tell no more apart, which is far more than needed.
type Arrival struct {
	Key                uint64
	Subjects, Networks uint64
	// Since is when it was first news.
	Since int64
}

// Diversity is the smaller of the numbers of subjects and of networks, by the
// bits that are set.
func (a *Arrivals) Diversity(key uint64, now int64) float64 {
	for i := range a.list {
		v := &a.list[i]
		if v.Key == key && now-v.Since < arrivalsFor {
			return float64(min(bits.OnesCount64(v.Subjects), bits.OnesCount64(v.Networks)))
		}
	}
	return 0
}

// Note counts one arrival.
func (a *Arrivals) Note(key, subject, network uint64, now int64) {
	at, oldest := -1, 0
	for i := range a.list {
		if a.list[i].Key == key {
			at = i
			break
		}
		if a.list[i].Since < a.list[oldest].Since {
			oldest = i
		}
	}
	switch {
	case at >= 0 && now-a.list[at].Since < arrivalsFor:
	case at >= 0:
		a.list[at] = Arrival{Key: key, Since: now}
	case len(a.list) < ArrivalsMax:
		at = len(a.list)
		a.list = append(a.list, Arrival{Key: key, Since: now})
	default:
		at = oldest
		a.list[at] = Arrival{Key: key, Since: now}
	}
	a.list[at].Subjects |= 1 << (subject & 63)
	a.list[at].Networks |= 1 << (network & 63)
}

func (a *Arrivals) code(k *snapshot.Codec) {
	snapshot.List(k, &a.list, func(v *Arrival) {
		k.U64(&v.Key)
		k.U64(&v.Subjects)
		k.U64(&v.Networks)
		k.I64(&v.Since)
	})
}
