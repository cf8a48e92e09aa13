package takeover

import (
	"math/rand/v2"
	"slices"

	"github.com/vigil-gateway/vigil/scorer/sequence"
)

const (
	// tail is how many commands of the thief are joined on.
	tail = 500
	// cutMin is where the first session may be cut, so that the owner has been
	// judged for a while.
	cutMin = prefix + tail
	// seed draws where sessions are cut and thieves begin.
	seed = 20
)

// actor is a person's state at a point of his log.
type actor struct {
	habit sequence.Habit
	watch sequence.Watch
}

// do judges a command, and lets what has stayed long enough teach.
func (a *actor) do(prior *sequence.Prior, x sequence.Symbol) sequence.Step {
	step := a.watch.Step(&a.habit, prior, x)
	a.watch.Teach(&a.habit, sequence.Lag, nil)
	return step
}

// trace is what commands add to the levels of both tests: the one whose
// alternative is the tenant's people, and the adaptive one.
type trace struct{ gains, adaptive []float64 }

func newTrace(n int) trace { return trace{make([]float64, n), make([]float64, n)} }

func (t *trace) set(i int, s sequence.Step) { t.gains[i], t.adaptive[i] = s.Gain, s.AdaptiveGain }

func (t *trace) from(i, to int) trace { return trace{t.gains[i:to], t.adaptive[i:to]} }

// priorWithout is the tenant's prior of everybody but the given people.
func priorWithout(people []person, without ...int) *sequence.Prior {
	prior := sequence.NewPrior()
	for i := range people {
		if slices.Contains(without, i) {
			continue
		}
		last := sequence.Symbol(0)
		for _, x := range people[i].commands[:prefix] {
			prior.Add(last, x)
			last = x
		}
	}
	return prior
}

// replay judges each of a person's first n commands.
func replay(p *person, prior *sequence.Prior, n int) trace {
	var a actor
	t := newTrace(n)
	for i, x := range p.commands[:n] {
		t.set(i, a.do(prior, x))
	}
	return t
}

// splice is one session that somebody else went on with.
type splice struct {
	owner, thief, cut int
	trace             // Of the thief's commands.
}

// spliceAll joins, for every ordered pair of people, the tail of one to the
// session of the other, each times over. A colleague's own commands are part
// of the owner's prior, a stranger's are not.
func spliceAll(people []person, each int, colleague bool) []splice {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // Drawn again the same, by design.
	var all []splice
	for owner := range people {
		for thief := range people {
			if thief == owner {
				continue
			}
			prior := priorWithout(people, owner, thief)
			if colleague {
				prior = priorWithout(people, owner)
			}
			cuts := make([]int, each)
			for i := range cuts {
				cuts[i] = cutMin + random.IntN(people[owner].clean-cutMin)
			}
			slices.Sort(cuts)
			all = append(all, splicePair(people, owner, thief, cuts, prior, random)...)
		}
	}
	return all
}

func splicePair(people []person, owner, thief int, cuts []int, prior *sequence.Prior, random *rand.Rand) []splice {
	var made []splice
	var a actor
	done := 0
	stolen := &people[thief]
	for _, cut := range cuts {
		for ; done < cut; done++ {
			a.do(prior, people[owner].commands[done])
		}
		from := prefix + random.IntN(stolen.clean-tail-prefix)
		s := splice{owner: owner, thief: thief, cut: cut, trace: newTrace(tail)}
		b := actor{habit: a.habit.Clone(), watch: a.watch} // The owner goes on as if nothing had been.
		for i, x := range stolen.commands[from : from+tail] {
			s.set(i, b.do(prior, x))
		}
		made = append(made, s)
	}
	return made
}
