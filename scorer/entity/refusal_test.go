package entity_test

import (
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/scorer/entity"
)

// TestRefusals asks what a subject, number 0, may expect after some answers to others.
func TestRefusals(t *testing.T) {
	type said struct {
		subject uint64
		refused bool
		in      time.Duration
	}
	everybody := func(n int, refused bool) (all []said) {
		for i := range n {
			all = append(all, said{uint64(1 + i), refused, time.Second})
		}
		return all
	}
	tests := map[string]struct {
		answers []said
		want    float64
	}{
		"nobody was refused":                         {everybody(5, false), 0},
		"everybody is":                               {everybody(6, true), 6.0 / 8},
		"one other excuses hardly anybody":           {everybody(1, true), 1.0 / 3},
		"many requests of one subject are one":       {append(everybody(1, true), everybody(1, true)...), 1.0 / 3},
		"one's own refusals excuse nothing":          {[]said{{0, true, 0}, {0, true, 0}, {0, true, 0}}, 0},
		"who is answered speaks against it":          {append(everybody(1, true), said{2, false, 0}, said{3, false, 0}), 1.0 / 5},
		"the latest answer counts":                   {append(everybody(2, true), everybody(2, false)...), 0},
		"ten minutes later nobody remembers":         {append(everybody(6, true), said{9, true, 11 * time.Minute}), 1.0 / 3},
		"the voices are bounded, and the last heard": {append(everybody(entity.RefusalSubjectsMax, true), said{99, false, 0}), float64(entity.RefusalSubjectsMax-1) / float64(entity.RefusalSubjectsMax+2)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var r entity.Refusals
			now := int64(1e18)
			for _, a := range tt.answers {
				now += int64(a.in)
				r.Note(7, a.subject, a.refused, now)
			}
			if got := r.Share(7, 0, now); got != tt.want {
				t.Errorf("a subject may expect a refusal with probability %g, want %g", got, tt.want)
			}
		})
	}
}

// However many things are refused, only so many are followed.
func TestRefusalsAreBounded(t *testing.T) {
	var r entity.Refusals
	for i := range uint64(2 * entity.RefusalsMax) {
		r.Note(i, 1, true, int64(i))
	}
	followed := 0
	for i := range uint64(2 * entity.RefusalsMax) {
		if r.Share(i, 0, int64(2*entity.RefusalsMax)) > 0 {
			followed++
		}
	}
	if followed != entity.RefusalsMax {
		t.Errorf("%d things are followed, want %d", followed, entity.RefusalsMax)
	}
}
