package sequence

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// TestSparseIsTheDenseTable compares the table that takes memory only for what
// is in use with a plain one, over keys that come, crowd buckets and fade.
func TestSparseIsTheDenseTable(t *testing.T) {
	tests := map[string]struct {
		keys uint64
		nums []uint8
	}{
		"a few things":                     {keys: 40, nums: []uint8{255, 250, 128}},
		"more things than there are slots": {keys: 3000, nums: []uint8{255, 128, 40}},
		"things that all fade":             {keys: 300, nums: []uint8{1, 128, 0}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			dense, thin, decays := make([]slot, HabitSlots), sparse{}, uint32(0)
			fade := func(num uint8) {
				decays++
				scale(dense, num, decays)
				thin.scale(num, decays)
			}
			for i := range 30_000 {
				key := mix(random.Uint64N(tt.keys) * random.Uint64N(2))
				b, tag := bucket(dense, key)
				full := add(b, tag, 1)
				if got := thin.add(key); got != full {
					t.Fatalf("step %d: add says full %t, want %t", i, got, full)
				}
				if full {
					fade(128)
				}
				if i%700 == 699 {
					fade(tt.nums[i/700%len(tt.nums)])
				}
				key = mix(random.Uint64N(tt.keys))
				if got, want := thin.count(key), count(dense, key); got != want {
					t.Fatalf("step %d: count %v, want %v", i, got, want)
				}
			}
			if len(thin.cells) > HabitSlots || cap(thin.cells) > HabitSlots {
				t.Errorf("%d cells of room for %d, want at most %d", len(thin.cells), cap(thin.cells), HabitSlots)
			}
		})
	}
}

func TestACloneLearnsOnItsOwn(t *testing.T) {
	var h Habit
	for i := range 200 {
		h.Learn(Symbol(i%7+1), Symbol(i%11+1), 0)
	}
	state := func() []byte {
		k := snapshot.Writer()
		h.Code(k)
		return k.Bytes()
	}
	before := state()
	c := h.Clone()
	for i := range 500 {
		c.Learn(Symbol(i%13+1), Symbol(i%40+1), 1)
	}
	if !bytes.Equal(state(), before) {
		t.Error("what a clone learned is known to the original")
	}
}
