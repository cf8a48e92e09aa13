package benchdata

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/vigil-gateway/vigil/scorer/forest"
)

// Orders is the number of seeded orders whose mean is measured where the
// stored order means nothing.
const Orders = 10

// A Row is the result for one set in one kind of order.
type Row struct {
	Set   string `json:"set"`
	Order string `json:"order"`
	// Other says that the order is not the one in which the set is judged.
	Other     bool `json:"other,omitempty"`
	Rows      int  `json:"rows"`
	Columns   int  `json:"columns"`
	Positives int  `json:"positives"`
	// Asked and Reference are AUC and average precision; 0 where there is none.
	Asked     Quality `json:"asked"`
	Reference Quality `json:"reference"`
	// By names the detector of the reference.
	By      string  `json:"by"`
	Trivial Quality `json:"trivial"`
	Now     Quality `json:"now"`
	// Nanoseconds and Allocations are per row, scoring and learning.
	Nanoseconds float64 `json:"ns"`
	Allocations float64 `json:"allocations"`
	// Hash is the start of the SHA-256 of all scores, as little-endian bits.
	Hash string `json:"hash"`
}

// A Choice says in which orders the sets are measured.
type Choice struct {
	// Shuffle measures every set once in the order of this seed, where it is
	// not 0.
	Shuffle uint64
	// Other measures a set in the order in which it is not judged: ten shuffles where
	// that is the stored one, else the stored one.
	Other bool
	// Seed is the ensemble's.
	Seed uint64
}

// Run measures one set.
func Run(ctx context.Context, e Entry, s *Set, c Choice) (Row, error) {
	row := Row{Set: e.Name, Other: c.Other, Rows: s.Rows(), Columns: s.Columns}
	if !c.Other {
		row.Asked, row.Reference, row.By = e.Asked, e.Reference, e.By
	}
	for _, p := range s.Positive {
		if p {
			row.Positives++
		}
	}
	var orders []uint64
	orders, row.Order = ordersOf(e, c)
	var now, plain []Quality
	sum := sha256.New()
	for _, order := range orders {
		o := s
		if order != 0 {
			o = s.Shuffled(order)
		}
		scores, cost, err := score(ctx, o, c.Seed)
		if err != nil {
			return Row{}, fmt.Errorf("%s: %w", e.Name, err)
		}
		row.Nanoseconds += cost.nanoseconds / float64(len(orders))
		row.Allocations += cost.allocations / float64(len(orders))
		b := make([]byte, 0, 8*len(scores))
		for _, x := range scores {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		}
		_, _ = sum.Write(b) // A hash never fails.
		now = append(now, Judge(scores, o.Positive))
		var t trivial
		for i := range scores {
			scores[i] = t.next(o.Row(i))
		}
		plain = append(plain, Judge(scores, o.Positive))
	}
	row.Now, row.Trivial = mean(now), mean(plain)
	row.Hash = hex.EncodeToString(sum.Sum(nil)[:8])
	return row, nil
}

// ordersOf are the seeds of the orders in which a set is measured, 0 for the stored
// one, and their name.
func ordersOf(e Entry, c Choice) (seeds []uint64, name string) {
	switch {
	case c.Shuffle != 0:
		return []uint64{c.Shuffle}, fmt.Sprintf("seed %d", c.Shuffle)
	case e.Ordered != c.Other:
		return []uint64{0}, "stored"
	}
	for seed := range uint64(Orders) {
		seeds = append(seeds, seed+1)
	}
	return seeds, fmt.Sprintf("mean of %d", Orders)
}

// cost is per row.
type cost struct{ nanoseconds, allocations float64 }

func score(ctx context.Context, s *Set, seed uint64) ([]float64, cost, error) {
	d, err := forest.New(forest.Options{Columns: s.Columns, Seed: seed})
	if err != nil {
		return nil, cost{}, err
	}
	scores := make([]float64, s.Rows())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	for i := range scores {
		if i%4096 == 0 && ctx.Err() != nil {
			return nil, cost{}, ctx.Err()
		}
		scores[i], err = d.Next(s.Row(i))
		if err != nil {
			return nil, cost{}, err
		}
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	n := float64(max(1, len(scores)))
	return scores, cost{float64(took.Nanoseconds()) / n, float64(after.Mallocs-before.Mallocs) / n}, nil
}
