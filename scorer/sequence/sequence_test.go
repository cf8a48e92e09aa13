package sequence_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/scorer/sequence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// walker is a made person: a Markov chain over his own choice of a tenant's
// symbols.
type walker struct {
	random *rand.Rand
	next   [40][3]sequence.Symbol
	at     int
}

func newWalker(seed uint64) *walker {
	w := &walker{random: rand.New(rand.NewPCG(seed, 7))}
	for i := range w.next {
		for j := range w.next[i] {
			w.next[i][j] = sequence.Symbol(1 + w.random.IntN(len(w.next)))
		}
	}
	return w
}

func (w *walker) step() sequence.Symbol {
	x := w.next[w.at][min(w.random.IntN(4), 2)]
	w.at = int(x) - 1
	return x
}

// tenant is what walkers 100 to 119 do.
func tenant() *sequence.Prior {
	p := sequence.NewPrior()
	for seed := range uint64(20) {
		w := newWalker(100 + seed)
		last := sequence.Symbol(0)
		for range 500 {
			x := w.step()
			p.Add(last, x)
			last = x
		}
	}
	return p
}

// live lets a person work for n events in a session that teaches.
func live(h *sequence.Habit, s *sequence.Watch, p *sequence.Prior, w *walker, n int) sequence.Step {
	var step sequence.Step
	for range n {
		step = s.Step(h, p, w.step())
		s.Teach(h, sequence.Lag, nil)
	}
	return step
}

func TestTakeover(t *testing.T) {
	prior := tenant()
	tests := map[string]struct {
		taught    int
		by        uint64
		prior     *sequence.Prior
		low, high float64 // Of the level after 80 more events.
	}{
		"the owner goes on":                      {taught: 3000, by: 1, prior: prior, high: 1},
		"another person goes on":                 {taught: 3000, by: 2, prior: prior, low: 1.5, high: 1000},
		"another person, but the owner is new":   {taught: 200, by: 2, prior: prior},
		"another person, but the tenant is new":  {taught: 3000, by: 2, prior: sequence.NewPrior()},
		"somebody whom the prior has never seen": {taught: 3000, by: 999, prior: prior, low: 1.5, high: 1000},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var h sequence.Habit
			var s sequence.Watch
			owner := newWalker(1)
			live(&h, &s, tt.prior, owner, tt.taught)
			s.Rest()
			by := owner
			if tt.by != 1 {
				by = newWalker(tt.by)
			}
			got := live(&h, &s, tt.prior, by, 80).Level
			if got < tt.low || got > tt.high {
				t.Errorf("level = %.2f, want %g to %g", got, tt.low, tt.high)
			}
		})
	}
}

func TestNats(t *testing.T) {
	prior := sequence.NewPrior()
	for i := range 9000 {
		prior.Add(sequence.Symbol(1+(i+2)%3), sequence.Symbol(1+i%3))
	}
	var h sequence.Habit
	for range 500 {
		h.Learn(1, 1, 0)
	}
	tests := map[string]struct {
		prev, x   sequence.Symbol
		low, high float64
	}{
		"what only the subject does":             {prev: 1, x: 1, low: -3, high: -3},
		"what all but the subject do":            {prev: 1, x: 2, low: 2.9, high: 3},
		"what nobody does":                       {prev: 1, x: 77, low: 2.9, high: 3},
		"what nobody does, as the first event":   {prev: 0, x: 77, low: 2.9, high: 3},
		"what the subject does, as first event":  {prev: 0, x: 1, low: -2, high: -1},
		"what the tenant does after a new thing": {prev: 78, x: 2, low: 2.9, high: 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := h.Nats(prior, tt.prev, tt.x)
			if !(got >= tt.low && got <= tt.high) {
				t.Errorf("Nats(%d, %d) = %.3f, want %g to %g", tt.prev, tt.x, got, tt.low, tt.high)
			}
		})
	}
}

func TestTeach(t *testing.T) {
	prior := tenant()
	tests := map[string]struct {
		end  func(*sequence.Watch, *sequence.Habit)
		want bool // Whether the thief's last symbol has become usual.
	}{
		"a session with a verdict teaches nothing": {end: func(s *sequence.Watch, _ *sequence.Habit) { s.Forget() }},
		"a session that ends clean teaches":        {end: func(s *sequence.Watch, h *sequence.Habit) { s.Teach(h, 0, nil) }, want: true},
		"a proof lets what is pending teach": {
			end:  func(s *sequence.Watch, h *sequence.Habit) { s.Rest(); s.Teach(h, 0, nil) },
			want: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var h sequence.Habit
			var s sequence.Watch
			live(&h, &s, prior, newWalker(1), 1000)
			before := h.Nats(prior, 90, 90)
			for range 20 {
				s.Step(&h, prior, 90)
				s.Teach(&h, sequence.Lag, nil)
			}
			tt.end(&s, &h)
			s.Teach(&h, 0, nil)
			got := h.Nats(prior, 90, 90) < before-1
			if got != tt.want {
				t.Errorf("taught = %t, want %t", got, tt.want)
			}
		})
	}
}

// TestWhatIsRipeTeachesAFewAtATime lets 40 events ripen and others follow, which
// have to wait.
func TestWhatIsRipeTeachesAFewAtATime(t *testing.T) {
	prior := tenant()
	var h sequence.Habit
	var s sequence.Watch
	live(&h, &s, prior, newWalker(1), 1000)
	s.Forget()
	const ripe, fresh = 100, 200
	for i := range 40 {
		s.Step(&h, prior, sequence.Symbol(ripe+i))
	}
	s.Rest() // Forty new things in a row have raised the level.
	s.Ripen()
	taught := func(from, n int) (count int) {
		for i := range n {
			if x := sequence.Symbol(from + i); h.Nats(prior, x, x) < 0 {
				count++
			}
		}
		return count
	}
	for i := range 12 {
		s.Step(&h, prior, sequence.Symbol(fresh+i))
		s.Rest()
		s.Teach(&h, s.Due(), nil)
		// A rare symbol may have given way to another one.
		if got, most := taught(ripe, 40), min(40, 4*(i+1)); got > most || got < most-3 {
			t.Errorf("%d ripe events have taught after %d more, want %d", got, i+1, most)
		}
	}
	if got := taught(fresh, 12); got != 0 {
		t.Errorf("%d events have taught that were not ripe", got)
	}
}

// TestHeldLevel lets a thief stay for long while nobody cuts him.
func TestHeldLevel(t *testing.T) {
	prior := tenant()
	var h sequence.Habit
	var s sequence.Watch
	live(&h, &s, prior, newWalker(1), 3000)
	thief := newWalker(2)
	first := live(&h, &s, prior, thief, 104).Level
	nats := func(n int) float64 {
		sum := 0.0
		for range n {
			sum += s.Step(&h, prior, thief.step()).Nats
			s.Teach(&h, sequence.Lag, nil)
		}
		return sum / float64(n)
	}
	early := nats(100)
	for range 40 {
		nats(100)
	}
	late := nats(100)
	if first < 2.5 {
		t.Fatalf("level after 104 events = %.2f, want above 2.5, where most is held back", first)
	}
	if early < 0.45 {
		t.Errorf("the second hundred of a thief say %.2f nats an event: he has become a habit at once", early)
	}
	if late > 0 {
		t.Errorf("after 4,000 events they still say %.2f: an owner with new work would stay a stranger", late)
	}
}

func TestBounds(t *testing.T) {
	prior := tenant()
	var h sequence.Habit
	var s sequence.Watch
	for i := range 300_000 {
		x := sequence.Symbol(i % 5)
		if i%2 == 0 {
			x = sequence.Symbol(i) * 2654435761
		}
		prior.Add(x+1, x)
		step := s.Step(&h, prior, x)
		s.Teach(&h, sequence.Lag, nil)
		if !(step.Nats >= -3 && step.Nats <= 3) || !(step.Level >= 0 && step.Level < math.MaxFloat64) {
			t.Fatalf("event %d: %+v", i, step)
		}
	}
	size := unsafe.Sizeof(h)
	if size > 1536 {
		t.Errorf("a habit takes %d B, want at most 1,536", size)
	}
	size = unsafe.Sizeof(s)
	if size > 384 {
		t.Errorf("a watch takes %d B, want at most 384", size)
	}
}

func TestCountsDoNotOverflow(t *testing.T) {
	prior := tenant()
	var h sequence.Habit
	for i := range 10_000 {
		h.Learn(90, 90, 0)
		got := h.Nats(prior, 90, 90)
		if got > -2.9 {
			t.Fatalf("after %d times the same: %.2f nats", i+1, got)
		}
	}
}

func TestDecayForgets(t *testing.T) {
	prior := tenant()
	var h sequence.Habit
	for range 4 {
		h.Learn(90, 91, 0)
	}
	known := h.Nats(prior, 90, 91)
	for range 200 {
		h.Decay(240)
	}
	got := h.Nats(prior, 90, 91)
	if !(known < -1 && got > -0.1) {
		t.Errorf("nats of a habit: %.2f, faded: %.2f", known, got)
	}
}

func TestMergeIsAddition(t *testing.T) {
	whole, left, right := sequence.NewPrior(), sequence.NewPrior(), sequence.NewPrior()
	w := newWalker(3)
	last := sequence.Symbol(0)
	for i := range 6000 {
		x := w.step()
		whole.Add(last, x)
		half := left
		if i%2 == 0 {
			half = right
		}
		half.Add(last, x)
		last = x
	}
	left.Merge(right)
	var h sequence.Habit
	h.Learn(1, 2, 0)
	for prev := range sequence.Symbol(41) {
		for x := sequence.Symbol(1); x < 42; x++ {
			got, want := h.Nats(left, prev, x), h.Nats(whole, prev, x)
			if got != want {
				t.Fatalf("Nats(%d, %d) = %g merged, %g whole", prev, x, got, want)
			}
		}
	}
}

func TestSnapshotGoesOnAlike(t *testing.T) {
	prior := tenant()
	var h sequence.Habit
	var s sequence.Watch
	owner := newWalker(1)
	live(&h, &s, prior, owner, 3001)
	thief := newWalker(2)
	for range 201 {
		s.Step(&h, prior, thief.step())
	}
	if s.Level < 3 {
		t.Fatalf("level = %.2f, want one at which most is held back", s.Level)
	}
	out := snapshot.Writer()
	prior.Code(out)
	h.Code(out)
	s.Code(out)
	in := snapshot.Reader(out.Bytes())
	prior2, h2, s2 := sequence.NewPrior(), sequence.Habit{}, sequence.Watch{}
	prior2.Code(in)
	h2.Code(in)
	s2.Code(in)
	err := in.Err()
	if err != nil {
		t.Fatalf("read snapshot: %v", err)
	}
	for i := range 500 {
		x := thief.step()
		want, got := s.Step(&h, prior, x), s2.Step(&h2, prior2, x)
		s.Teach(&h, sequence.Lag, nil)
		s2.Teach(&h2, sequence.Lag, nil)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("event %d (-live +restored):\n%s", i, diff)
		}
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	prior := tenant()
	var h sequence.Habit
	var s sequence.Watch
	owner := newWalker(1)
	n := testing.AllocsPerRun(1000, func() {
		s.Step(&h, prior, owner.step())
		s.Teach(&h, sequence.Lag, nil)
	})
	if n != 0 {
		t.Errorf("%g allocations an event", n)
	}
}
