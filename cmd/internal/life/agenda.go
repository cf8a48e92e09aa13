package life

import (
	"cmp"
	"slices"
)

// item is what happens next: a visit's next event, or something to be planned.
type item struct {
	at    int64
	order uint64 // Breaks ties, so that every run has the same order.
	visit *visit
	run   func(at int64)
}

func (a *item) before(b *item) bool {
	return a.at < b.at || a.at == b.at && a.order < b.order
}

// agenda is a binary heap by time. container/heap would box each item.
type agenda []item

func (a *agenda) push(it item) {
	h := append(*a, it)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !h[i].before(&h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
	*a = h
}

func (a *agenda) pop() item {
	h := *a
	top := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h[last] = item{}
	h = h[:last]
	i := 0
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1].before(&h[down]) {
			down++
		}
		if !h[down].before(&h[i]) {
			break
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
	*a = h
	return top
}

// sort puts a visit's records in the order of time.
func (v *visit) sort() {
	slices.SortStableFunc(v.records, func(a, b record) int { return cmp.Compare(a.at, b.at) })
}
