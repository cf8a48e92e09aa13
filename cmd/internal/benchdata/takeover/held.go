package takeover

import (
	"math"

	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// heldBudgets are in false alarms per 10,000 subject-days: a cut's, a step-up's,
// and twice and ten times that.
var heldBudgets = [...]float64{1, 100, 200, 1000} //nolint:gochecknoglobals // A constant list.

// Held is what a budget buys where the threshold is a forecast: it is made of the
// fit half of the clean days, and everything here is counted on the other half.
// The test is the one that ships, the mean of the e-values of both tests.
type Held struct {
	// Budget is in false alarms per 10,000 subject-days.
	Budget float64 `json:"budget"`
	// FitDays are the clean days of which the threshold is made; too few give none,
	// and Fitted is false. Level is the threshold in nats.
	FitDays int     `json:"fit_days"`
	Fitted  bool    `json:"fitted"`
	Level   float64 `json:"level"`
	// Beyond is how many times rarer the budget is than one alarm in the fit half:
	// above 1 the threshold is extrapolated.
	Beyond float64 `json:"beyond"`
	// Days and False are the clean days of the other half and the false alarms in
	// them, AtMost the rate per 10,000 days that these exclude at 95 %.
	Days   int     `json:"days"`
	False  int     `json:"false"`
	AtMost float64 `json:"at_most"`
	// Takeovers are those of the other half; Within100 and Within500 the shares
	// recognised by the thief's 100th and 500th command.
	Takeovers int     `json:"takeovers"`
	Within100 float64 `json:"within_100"`
	Within500 float64 `json:"within_500"`
	// Median is over those recognised, MedianOfAll over all, 0 where fewer than
	// half are recognised.
	Median      int `json:"median"`
	MedianOfAll int `json:"median_of_all"`
}

// forecast is what the fit half says of both tests, and of their mean.
type forecast struct {
	days            int
	level, adaptive sequence.Curve
	both            sequence.Curve
	fitted          bool
}

// newForecast fits the peaks of the clean days of the fit half.
func newForecast(half []trace) forecast {
	var f forecast
	var level, adaptive, both sequence.Tail
	observe := func(t *sequence.Tail, levels []float64) {
		for _, peak := range dayPeaks(levels) {
			t.Observe(peak)
		}
	}
	for _, t := range half {
		observe(&level, levelsOf(t.gains))
		observe(&adaptive, levelsOf(t.adaptive))
	}
	f.days = level.Sessions()
	var fitted, too bool
	f.level, fitted = level.Fit()
	f.adaptive, too = adaptive.Fit()
	if !fitted || !too {
		return f
	}
	// A curve claims no share that its sample cannot support; a threshold for a cut
	// is beyond that, and is said to be extrapolated.
	f.level.Least, f.adaptive.Least = 0, 0
	for _, t := range half {
		nats := make([]float64, len(t.gains))
		var s state
		for i := range nats {
			nats[i] = max(0, s.step(&f, t.gains[i], t.adaptive[i]))
		}
		observe(&both, nats)
	}
	f.both, f.fitted = both.Fit()
	return f
}

// state are the levels of both tests.
type state struct{ level, adaptive float64 }

// step goes on by one command, and returns the nats of both tests.
func (s *state) step(f *forecast, gain, adaptive float64) float64 {
	s.level, s.adaptive = sequence.Advance(s.level, gain), sequence.Advance(s.adaptive, adaptive)
	return sequence.NatsOf(f.level, f.adaptive, sequence.Step{Level: s.level, Adaptive: s.adaptive})
}

// alarms calls found with each command at which the nats pass the threshold; the
// tests then begin anew. It returns the state at the end.
func (f *forecast) alarms(s state, t trace, threshold float64, found func(at int)) state {
	for i := range t.gains {
		if s.step(f, t.gains[i], t.adaptive[i]) > threshold {
			found(i)
			s = state{}
		}
	}
	return s
}

// held fits each threshold on the first half of everybody's clean commands, and
// counts false alarms and takeovers on the second.
func held(own []trace, splices []splice) []Held {
	middle := func(owner int) int { return len(own[owner].gains) / 2 / day * day }
	half := make([]trace, len(own))
	for i := range own {
		half[i] = own[i].from(0, middle(i))
	}
	f := newForecast(half)
	list := make([]Held, 0, len(heldBudgets))
	for _, budget := range heldBudgets {
		h := f.held(budget)
		var delays []int
		for i := range own {
			rest := own[i].from(middle(i), len(own[i].gains))
			h.Days += len(rest.gains) / day
			if h.Fitted {
				f.alarms(state{}, rest, h.Level, func(int) { h.False++ })
			}
		}
		for k := range splices {
			s := &splices[k]
			at := s.cut - prefix
			if at < middle(s.owner) {
				continue
			}
			h.Takeovers++
			if !h.Fitted {
				continue
			}
			delay := 0
			before := f.alarms(state{}, own[s.owner].from(middle(s.owner), at), h.Level, func(int) {})
			f.alarms(before, s.trace, h.Level, func(i int) {
				if delay == 0 {
					delay = i + 1
				}
			})
			if delay > 0 {
				delays = append(delays, delay)
			}
		}
		h.settle(delays)
		list = append(list, h)
	}
	return list
}

// heldLabelled fits on everybody's clean start, and counts on the later days of
// the people with labels: each of a stranger's days is a takeover of its own.
func heldLabelled(own []trace, streams []stream) []Held {
	f := newForecast(own)
	list := make([]Held, 0, len(heldBudgets))
	for _, budget := range heldBudgets {
		h := f.held(budget)
		var delays []int
		for i := range streams {
			s := &streams[i]
			for _, stranger := range s.stranger {
				if stranger {
					h.Takeovers++
				} else {
					h.Days++
				}
			}
			if !h.Fitted {
				continue
			}
			last := -1
			f.alarms(state{}, s.trace, h.Level, func(at int) {
				switch {
				case !s.isStranger(at):
					h.False++
				case at/day != last:
					last = at / day
					delays = append(delays, at%day+1)
				}
			})
		}
		h.settle(delays)
		list = append(list, h)
	}
	return list
}

// held is the row of a budget before anything is counted.
func (f *forecast) held(budget float64) Held {
	h := Held{Budget: budget, FitDays: f.days, Fitted: f.fitted}
	if f.fitted {
		h.Level = f.both.Threshold(budget / 1e4)
		h.Beyond = 1e4 / (budget * float64(f.days))
	}
	return h
}

// settle computes what is shown of the delays of those recognised.
func (h *Held) settle(delays []int) {
	n := float64(max(1, h.Takeovers))
	soon := 0
	for _, d := range delays {
		if d <= day {
			soon++
		}
	}
	h.Within100, h.Within500 = float64(soon)/n, float64(len(delays))/n
	h.Median = median(delays)
	if 2*len(delays) > h.Takeovers {
		h.MedianOfAll = delays[h.Takeovers/2] // They are sorted by now.
	}
	h.AtMost = 1e4 * poissonMost(h.False) / float64(max(1, h.Days))
}

// poissonMost is the largest mean of which n events or fewer are seen in one case
// of twenty (Garwood 1936); 3.0 for none, the rule of three.
func poissonMost(n int) float64 {
	low, high := 0.0, 3*float64(n)+10
	for range 60 {
		mean := (low + high) / 2
		term := math.Exp(-mean)
		sum := term
		for k := 1; k <= n; k++ {
			term *= mean / float64(k)
			sum += term
		}
		if sum > 0.05 {
			low = mean
		} else {
			high = mean
		}
	}
	return high
}
