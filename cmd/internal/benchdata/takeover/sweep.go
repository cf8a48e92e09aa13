package takeover

import (
	"slices"

	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// budgets are in false alarms per 10,000 commands, which are 100 subject-days.
// The last is one in 10,000 subject-days.
var budgets = [...]float64{10, 5, 2, 1, 0.5, 0.1, 0.01} //nolint:gochecknoglobals // A constant list.

// answeredBudgets is how many of them, from the first, are measured with answers:
// the labelled part is too short for the others.
const answeredBudgets = 5

// levelMax is beyond every level that is reached.
const levelMax = 1e4

// stream is what a person's log gains, command by command.
type stream struct {
	person int
	trace
	stranger []bool // Of each day; nil for none.
}

// threshold is the level at which a person's session is cut.
type threshold func(person int) float64

func same(level float64) threshold { return func(int) float64 { return level } }

// alarms calls found with the place of each command at which the level passes
// the threshold; the level then begins anew.
func (s *stream) alarms(level float64, found func(at int)) {
	w := 0.0
	for i, g := range s.gains {
		w = sequence.Advance(w, g)
		if w > level {
			found(i)
			w = 0
		}
	}
}

func (s *stream) isStranger(at int) bool { return s.stranger != nil && s.stranger[at/day] }

// falseAlarms is their number per 10,000 clean commands.
func falseAlarms(streams []stream, level threshold) float64 {
	alarms, commands := 0, 0
	for i := range streams {
		s := &streams[i]
		s.alarms(level(s.person), func(at int) {
			if !s.isStranger(at) {
				alarms++
			}
		})
		commands += len(s.gains)
		for _, stranger := range s.stranger {
			if stranger {
				commands -= day
			}
		}
	}
	return float64(alarms) * 1e4 / float64(max(1, commands))
}

// hindsight is the lowest threshold that keeps a budget on the very streams.
func hindsight(streams []stream, budget float64) float64 {
	low, high := 0.0, levelMax
	for range 60 {
		middle := (low + high) / 2
		if falseAlarms(streams, same(middle)) <= budget {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// fitted gives each person a threshold by the tail of the clean days of all
// the others: own holds what everybody's clean commands add.
func fitted(own []trace, budget float64) threshold {
	levels := make([]float64, len(own))
	for i := range own {
		var t sequence.Tail
		for j := range own {
			if j == i {
				continue
			}
			for _, peak := range dayPeaks(levelsOf(own[j].gains)) {
				t.Observe(peak)
			}
		}
		curve, _ := t.Fit()
		levels[i] = min(levelMax, curve.Threshold(budget*day/1e4))
	}
	return func(person int) float64 { return levels[person] }
}

// levelsOf is the level after each command.
func levelsOf(gains []float64) []float64 {
	levels := make([]float64, len(gains))
	w := 0.0
	for i, g := range gains {
		w = sequence.Advance(w, g)
		levels[i] = w
	}
	return levels
}

// dayPeaks is the highest level of each whole day. What rises above 0 and
// falls back counts once, on the day of its peak: it would be cut once.
func dayPeaks(levels []float64) []float64 {
	peaks := make([]float64, len(levels)/day)
	peak, at := 0.0, 0
	for k, w := range levels[:len(peaks)*day] {
		if w > peak {
			peak, at = w, k/day
		}
		peaks[at] = max(peaks[at], peak)
		if w == 0 {
			peak, at = 0, k/day
		}
	}
	return peaks
}

// measureLabelled counts the strangers' days with an alarm.
func measureLabelled(streams []stream, budget float64, level threshold) Point {
	p := Point{Budget: budget, False: falseAlarms(streams, level)}
	var delays []int
	days := 0
	var levels []float64
	for i := range streams {
		s := &streams[i]
		levels = append(levels, level(s.person))
		for _, stranger := range s.stranger {
			if stranger {
				days++
			}
		}
		last := -1
		s.alarms(level(s.person), func(at int) {
			if s.isStranger(at) && at/day != last {
				last = at / day
				delays = append(delays, at%day+1)
			}
		})
	}
	p.Level = median(levels)
	p.Within100 = float64(len(delays)) / float64(max(1, days))
	p.Within500 = p.Within100
	p.Median = median(delays)
	return p
}

// measureSplices goes on from the level at which each session was cut.
func measureSplices(streams []stream, splices []splice, budget float64, level threshold) Point {
	p := Point{Budget: budget, False: falseAlarms(streams, level)}
	var delays []int
	var levels []float64
	soon := 0
	for i := range streams {
		levels = append(levels, level(i))
	}
	for i := range splices {
		s := &splices[i]
		h := levels[s.owner]
		w := 0.0
		for _, g := range streams[s.owner].gains[:s.cut-prefix] {
			w = sequence.Advance(w, g)
			if w > h {
				w = 0
			}
		}
		for k, g := range s.gains {
			w = sequence.Advance(w, g)
			if w > h {
				delays = append(delays, k+1)
				if k < day {
					soon++
				}
				break
			}
		}
	}
	n := float64(max(1, len(splices)))
	p.Level = median(levels)
	p.Within100, p.Within500 = float64(soon)/n, float64(len(delays))/n
	p.Median = median(delays)
	return p
}

// median is the middle element, the upper of two; 0 for none.
func median[T int | float64](list []T) T {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// contrast gathers the sums of blocks of strangers and of owners.
type contrast struct{ strangers, owners []float64 }

func (c *contrast) add(gains []float64, stranger bool) {
	sum := 0.0
	for _, g := range gains {
		sum += g
	}
	if stranger {
		c.strangers = append(c.strangers, sum)
	} else {
		c.owners = append(c.owners, sum)
	}
}

// measure ranks the sums; equal ones count half.
func (c *contrast) measure() Blocks {
	b := Blocks{Strangers: len(c.strangers), Clean: len(c.owners)}
	if b.Strangers == 0 || b.Clean == 0 {
		return b
	}
	slices.Sort(c.owners)
	wins := 0.0
	for _, s := range c.strangers {
		below, _ := slices.BinarySearch(c.owners, s)
		same := below
		for same < len(c.owners) && c.owners[same] == s {
			same++
		}
		wins += float64(below) + float64(same-below)/2
	}
	b.AUC = wins / float64(b.Strangers*b.Clean)
	b.TPR1, b.TPR5 = c.found(0.01), c.found(0.05)
	return b
}

// found is the share of strangers above all but a share of the owners.
func (c *contrast) found(fpr float64) float64 {
	limit := c.owners[len(c.owners)-1-int(fpr*float64(len(c.owners)))]
	n := 0
	for _, s := range c.strangers {
		if s > limit {
			n++
		}
	}
	return float64(n) / float64(len(c.strangers))
}
