package benchdata

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
)

// ChaffShare is the share of all rows that an adversary adds: moderate chaff, by
// which Rubinstein et al. (IMC 2009) blinded detectors that learn all they see.
const ChaffShare = 0.05

// A Chaff is a way to make rows that are to teach a detector what is strange.
type Chaff string

// The ways.
const (
	// HalfWay rows lie between a row that is not strange and one that is.
	HalfWay Chaff = "half-way"
	// Copies are strange rows themselves.
	Copies Chaff = "copies"
	// Scattered ones are copies of strange rows of any time, not of the next: where a
	// table drifts they are far from everything.
	Scattered Chaff = "scattered"
)

// Chaffs are all ways.
func Chaffs() []Chaff { return []Chaff{HalfWay, Copies, Scattered} }

// A ChaffRow is what chaff did to one set.
type ChaffRow struct {
	Set   string `json:"set"`
	Chaff Chaff  `json:"chaff"`
	Order string `json:"order"`
	// Clean is without chaff, Now with it, over the set's own rows alone; Trivial
	// and TrivialClean the same of the trivial detector, which learns everything.
	Clean        Quality `json:"clean"`
	Now          Quality `json:"now"`
	TrivialClean Quality `json:"trivial_clean"`
	Trivial      Quality `json:"trivial"`
}

// Loss is the AUC that the chaff took.
func (r *ChaffRow) Loss() float64 { return r.Clean.AUC - r.Now.AUC }

// TrivialLoss is the AUC that it took of the trivial detector.
func (r *ChaffRow) TrivialLoss() float64 { return r.TrivialClean.AUC - r.Trivial.AUC }

// Poisoned is the set with chaff everywhere between its rows, made by who prepares
// for the strange row that comes next and knows what is usual now. own says which
// rows are the set's.
func (s *Set) Poisoned(kind Chaff, seed uint64) (poisoned *Set, own []bool) {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // Reproducible, not secret.
	o := &Set{Columns: s.Columns}
	usual, goal := -1, slices.Index(s.Positive, true)
	var strange []int
	for i, p := range s.Positive {
		if p {
			strange = append(strange, i)
		}
	}
	for i := range s.Rows() {
		o.Values, o.Positive, own = append(o.Values, s.Row(i)...), append(o.Positive, s.Positive[i]), append(own, true)
		if !s.Positive[i] {
			usual = i
		}
		if i == goal {
			if next := slices.Index(s.Positive[i+1:], true); next >= 0 {
				goal = i + 1 + next
			}
		}
		if usual < 0 || goal < 0 || random.Float64() >= ChaffShare/(1-ChaffShare) {
			continue
		}
		to, from, way := s.Row(goal), s.Row(usual), 1.0
		switch kind {
		case HalfWay:
			way = 0.5
		case Scattered:
			to = s.Row(strange[random.IntN(len(strange))])
		case Copies:
		}
		for j := range to {
			o.Values = append(o.Values, from[j]+float64(way*(to[j]-from[j])))
		}
		o.Positive, own = append(o.Positive, true), append(own, false)
	}
	return o, own
}

// RunChaff measures one set with and without chaff of one kind.
func RunChaff(ctx context.Context, e Entry, s *Set, c Choice, kind Chaff) (ChaffRow, error) {
	orders, order := ordersOf(e, c)
	row := ChaffRow{Set: e.Name, Chaff: kind, Order: order}
	var clean, now, plainClean, plain []Quality
	for _, seed := range orders {
		o := s
		if seed != 0 {
			o = s.Shuffled(seed)
		}
		p, own := o.Poisoned(kind, seed)
		for _, half := range []struct {
			set         *Set
			own         []bool
			into, plain *[]Quality
		}{{o, nil, &clean, &plainClean}, {p, own, &now, &plain}} {
			scores, _, err := score(ctx, half.set, c.Seed)
			if err != nil {
				return ChaffRow{}, fmt.Errorf("%s: %w", e.Name, err)
			}
			*half.into = append(*half.into, judgeOwn(scores, half.set.Positive, half.own))
			var t trivial
			for i := range scores {
				scores[i] = t.next(half.set.Row(i))
			}
			*half.plain = append(*half.plain, judgeOwn(scores, half.set.Positive, half.own))
		}
	}
	row.Clean, row.Now, row.TrivialClean, row.Trivial = mean(clean), mean(now), mean(plainClean), mean(plain)
	return row, nil
}

// judgeOwn judges the rows that are the set's own; all where own is nil.
func judgeOwn(scores []float64, positive, own []bool) Quality {
	if own == nil {
		return Judge(scores, positive)
	}
	keep, labels := make([]float64, 0, len(scores)), make([]bool, 0, len(scores))
	for i, o := range own {
		if o {
			keep, labels = append(keep, scores[i]), append(labels, positive[i])
		}
	}
	return Judge(slices.Clip(keep), labels)
}
