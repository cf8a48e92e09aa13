package entity

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTableIsAMapWithAnOrder lets entries come, be used and be pushed out, and
// compares each answer with a list in the order of use.
func TestTableIsAMapWithAnOrder(t *testing.T) {
	const limit, ids, steps = 200, 600, 20_000
	random := rand.New(rand.NewPCG(1, 2))
	tab := NewTable[string](limit)
	for clash(tab, ids) {
		tab = NewTable[string](limit) // Its seed is another.
	}
	var list []Key // Most recently used first.
	for step := range steps {
		// Two kinds share each id, and with that its place.
		k := Key{Tenant: "t", Kind: fmt.Sprint(random.IntN(2)), ID: fmt.Sprint(random.IntN(ids))}
		at := slices.Index(list, k)
		got := tab.Get(k)
		switch {
		case (got != nil) != (at >= 0):
			t.Fatalf("step %d: %v is there: %t, want %t", step, k, got != nil, at >= 0)
		case at >= 0:
			list = slices.Delete(list, at, at+1)
		default:
			got = tab.Take(k)
			*got = k.ID
			list = list[:min(len(list), limit-1)]
		}
		list = slices.Insert(list, 0, k)
		likely, _ := tab.Fetch(tab.Likely(k.ID))
		if *got != k.ID || likely == nil || *likely != k.ID {
			t.Fatalf("step %d: %v is found as %q, and likely as %v", step, k, *got, likely)
		}
	}
	i := 0
	for k := range tab.All {
		if i == len(list) || list[i] != k {
			t.Fatalf("entry %d is %v", i, k)
		}
		i++
	}
	if i != limit || tab.Len() != limit || tab.Likely("nobody") >= 0 {
		t.Errorf("%d entries in order and %d in all, want %d", i, tab.Len(), limit)
	}
}

// clash reports whether two ids below n, or one and that of nobody, have one hash.
func clash(tab *Table[string], n int) bool {
	seen := map[uint32]bool{tab.hash("nobody"): true}
	for i := range n {
		h := tab.hash(fmt.Sprint(i))
		if seen[h] {
			return true
		}
		seen[h] = true
	}
	return false
}
