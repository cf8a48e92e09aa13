package release

import "time"

// mark says when a number was issued.
type mark struct {
	seq uint64
	at  time.Time
}

// marks tell how old a lane's oldest unscored number is without remembering each:
// the first stands at or before it, and every later number stands less than markGap
// behind one of them, or where the lane is far behind an eighth of that.
type marks []mark

// issued notes a number. Numbers come in order.
func (m *marks) issued(seq uint64, at time.Time) {
	n := len(*m)
	if n > 0 && at.Sub((*m)[n-1].at) < markGap {
		return
	}
	if n == marksMax {
		m.thin()
	}
	*m = append(*m, mark{seq, at})
}

// thin lets at least half of the marks go, those that stand close behind another
// first. Those that are left over a time S have S/16 between them at most, and each
// doubling of that added as much again to what a number may be behind its mark.
func (m *marks) thin() {
	for gap := 2 * markGap; len(*m) > marksMax/2; gap *= 2 {
		kept := (*m)[:1]
		for _, next := range (*m)[1:] {
			if next.at.Sub(kept[len(kept)-1].at) >= gap {
				kept = append(kept, next)
			}
		}
		*m = kept
	}
}

// scored forgets what stands before the oldest unscored number.
func (m *marks) scored(through uint64, all bool) {
	if all {
		*m = (*m)[:0]
		return
	}
	covered := 0
	for covered+1 < len(*m) && (*m)[covered+1].seq <= through+1 {
		covered++
	}
	*m = append((*m)[:0], (*m)[covered:]...)
}

// age is that of the oldest unscored number, 0 where there is none.
func (m marks) age(now time.Time) time.Duration {
	if len(m) == 0 {
		return 0
	}
	return max(0, now.Sub(m[0].at))
}
