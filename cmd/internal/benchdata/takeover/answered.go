package takeover

import "github.com/vigil-gateway/vigil/scorer/sequence"

// answering plays the people with labels once more, each alarm answered as a
// step-up is: the owner proves himself and goes on, his pending commands teach,
// and a stranger cannot, so that his session ends there and what he left pending
// is forgotten. The labels say nothing but what such an answer would have said.
type answering struct {
	people []person
	priors []*sequence.Prior
}

// newAnswering takes the people with labels.
func newAnswering(people []person) *answering {
	r := &answering{people: people, priors: make([]*sequence.Prior, len(people))}
	for i := range people {
		if people[i].stranger != nil {
			r.priors[i] = priorWithout(people, i)
		}
	}
	return r
}

// tally counts what came of a run.
type tally struct {
	days, alarms, commands int
	// delays are how many commands strangers had by the alarm.
	delays []int
}

func (t *tally) falseAlarms() float64 { return float64(t.alarms) * 1e4 / float64(max(1, t.commands)) }

// run plays everybody with the given thresholds.
func (r *answering) run(level threshold) tally {
	var t tally
	for i := range r.people {
		if r.people[i].stranger != nil {
			r.play(i, level(i), &t)
		}
	}
	return t
}

func (r *answering) play(i int, level float64, t *tally) {
	p := &r.people[i]
	var a actor
	for k := 0; k < len(p.stranger)*day; k++ {
		stranger := p.stranger[k/day]
		a.do(r.priors[i], p.commands[k])
		if k < cleanStart {
			continue
		}
		switch {
		case !stranger:
			t.commands++
		case k%day == 0:
			t.days++
		}
		if a.watch.Level <= level {
			continue
		}
		if stranger {
			t.delays = append(t.delays, k%day+1)
			a.watch = sequence.Watch{}
			k += day - 1 - k%day
			continue
		}
		t.alarms++
		a.watch.Rest()
		a.watch.Teach(&a.habit, 0, nil)
	}
}

// point is what a budget buys at the given thresholds.
func (r *answering) point(budget, level float64, of threshold) Point {
	t := r.run(of)
	found := float64(len(t.delays)) / float64(max(1, t.days))
	return Point{Budget: budget, Level: level, False: t.falseAlarms(), Within100: found, Within500: found, Median: median(t.delays)}
}

// answeredMax is beyond every threshold of interest, and answeredSteps how often
// the search for one halves the range: each step plays everybody anew.
const (
	answeredMax   = 8.0
	answeredSteps = 12
)

// hindsight looks for the lowest threshold that keeps a budget. What an alarm
// teaches moves later ones, so that it need not be the lowest of all.
func (r *answering) hindsight(budget float64) Point {
	low, high := 0.0, answeredMax
	for range answeredSteps {
		middle := (low + high) / 2
		t := r.run(same(middle))
		if t.falseAlarms() <= budget {
			high = middle
		} else {
			low = middle
		}
	}
	return r.point(budget, high, same(high))
}

// fitted takes the thresholds from the tail of other people's clean days.
func (r *answering) fitted(own []trace, budget float64) Point {
	of := fitted(own, budget)
	var levels []float64
	for i := range r.people {
		if r.people[i].stranger != nil {
			levels = append(levels, of(i))
		}
	}
	return r.point(budget, median(levels), of)
}
