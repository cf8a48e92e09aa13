package sequence_test

import (
	"testing"

	"github.com/vigil-gateway/vigil/scorer/sequence"
)

func TestTailFades(t *testing.T) {
	var tail sequence.Tail
	for _, p := range peaks(4000, 0, 1, 1) {
		tail.Observe(p)
	}
	before, _ := tail.Fit()
	for range 30 {
		tail.Decay(250)
	}
	n := tail.Sessions()
	if n < 1700 || n > 2300 {
		t.Errorf("%d of 4,000 sessions are left after a half-life, want about 2,000", n)
	}
	after, _ := tail.Fit()
	if l := after.Threshold(0.01) / before.Threshold(0.01); l < 0.8 || l > 1.25 {
		t.Errorf("the threshold has become %.2f of what it was: rare peaks must not fade faster", l)
	}
}

func TestCurveClaimsNoMoreThanItsSample(t *testing.T) {
	for _, n := range []int{200, 2000, 20000} {
		var tail sequence.Tail
		for _, p := range peaks(n, 0, 1, 2) {
			tail.Observe(p)
		}
		curve, _ := tail.Fit()
		if p, least := curve.P(1e6), 1/float64(20*n); p != least {
			t.Errorf("%d sessions claim a share of %g, want no less than %g", n, p, least)
		}
	}
}

// TestNewSessionGoesOn hands a level from one session to the next of the same
// client, as a new token does.
func TestNewSessionGoesOn(t *testing.T) {
	prior := tenant()
	var h sequence.Habit
	var first, next sequence.Watch
	live(&h, &first, prior, newWalker(1), 3000)
	first.Rest()
	thief := newWalker(2)
	for range 40 {
		first.Step(&h, prior, thief.step())
	}
	next.Continue(&first)
	if next.Level != first.Level {
		t.Fatalf("level %.2f goes on as %.2f", first.Level, next.Level)
	}
	one, of := first.Strange(40)
	two, _ := next.Strange(40)
	if of != 40 || one < 10 || one != two {
		t.Errorf("%d of %d steps were strange, %d in the session that goes on", one, of, two)
	}
	next.Teach(&h, 0, nil)
	if got := next.Step(&h, prior, thief.step()).Level; got <= 0 {
		t.Errorf("level %.2f after another strange step", got)
	}
}

// TestOneSubjectDoesNotWriteThePrior lets a robot do what it does ten thousand
// times a day.
func TestOneSubjectDoesNotWriteThePrior(t *testing.T) {
	shared := sequence.NewShared()
	var h sequence.Habit
	var s sequence.Watch
	for day := range int32(2) {
		h.Day(100+day, 30)
		for i := range 10_000 {
			s.Step(&h, nil, sequence.Symbol(1+i%7))
			s.Teach(&h, 0, shared)
		}
	}
	if got, want := shared.Prior.Total(), 2.0*sequence.GivenMax; got != want {
		t.Errorf("a robot has added %g events in two days, want %g", got, want)
	}
	if got := shared.Steps.Total(); got != 2*sequence.GivenMax {
		t.Errorf("the marginal has %g events, want as many as the prior", got)
	}
}

func TestKnownWithoutAPrior(t *testing.T) {
	var none *sequence.Prior
	var h sequence.Habit
	var s sequence.Watch
	for i := range 1000 {
		if step := s.Step(&h, none, sequence.Symbol(1+i%5)); step.Level != 0 || step.Nats != 0 {
			t.Fatalf("%+v although the tenant is not known", step)
		}
		s.Teach(&h, sequence.Lag, nil)
	}
	if h.Known() || s.Judged() != 0 {
		t.Error("a habit that was never judged is taken for known")
	}
}
