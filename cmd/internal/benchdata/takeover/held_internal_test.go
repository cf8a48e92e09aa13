package takeover

import (
	"math"
	"math/rand/v2"
	"testing"
)

// made are the traces of people whose commands add noise, and of whom the second
// half is louder.
func made(people int, louder float64) []trace {
	random := rand.New(rand.NewPCG(7, 0))
	own := make([]trace, people)
	for i := range own {
		own[i] = newTrace(40 * day)
		for k := range own[i].gains {
			loud := 1.0
			if k >= 20*day {
				loud = louder
			}
			own[i].gains[k], own[i].adaptive[k] = loud*0.2*random.NormFloat64()-0.1, loud*0.2*random.NormFloat64()-0.1
		}
	}
	return own
}

// stolen is a splice whose thief adds so much with each command.
func stolen(cut int, gain float64) splice {
	s := splice{cut: prefix + cut, trace: newTrace(tail)}
	for i := range s.gains {
		s.gains[i], s.adaptive[i] = gain, gain
	}
	return s
}

func TestThresholdsAreAForecast(t *testing.T) {
	splices := []splice{stolen(5*day, 1), stolen(25*day, 1), stolen(25*day, -1)}
	calm, loud := held(made(20, 1), splices), held(made(20, 2), splices)
	for i := range calm {
		c, l := calm[i], loud[i]
		if !c.Fitted || c.FitDays != 400 || c.Days != 400 {
			t.Fatalf("%+v; want a fit of 400 days and 400 that count", c)
		}
		if c.Level != l.Level {
			t.Errorf("budget %g: what is counted moves the threshold from %g to %g", c.Budget, c.Level, l.Level)
		}
		if c.Takeovers != 2 || c.Within100 != 0.5 || c.MedianOfAll != 0 {
			t.Errorf("budget %g: %+v; want one of the two takeovers of the second half", c.Budget, c)
		}
	}
	step := 1 // 100 step-ups in 10,000 subject-days: 4 in 400.
	if got := calm[step]; got.False > 12 || float64(got.False) > got.AtMost*400/1e4 {
		t.Errorf("as calm as before: %+v", got)
	}
	if calm[step].False >= loud[step].False {
		t.Errorf("%d false alarms among the calm, %d among the loud", calm[step].False, loud[step].False)
	}
}

// The limits are those of Garwood's table.
func TestPoissonMost(t *testing.T) {
	for n, want := range map[int]float64{0: 2.996, 1: 4.744, 2: 6.296, 10: 16.962} {
		if got := poissonMost(n); math.Abs(got-want) > 0.001 {
			t.Errorf("poissonMost(%d) = %.3f, want %.3f", n, got, want)
		}
	}
}

func TestTooFewDaysGiveNoThreshold(t *testing.T) {
	for _, h := range held(made(2, 1), []splice{stolen(25*day, 3)}) {
		if h.Fitted || h.False != 0 || h.Within500 != 0 || h.Takeovers != 1 {
			t.Errorf("%+v; want no threshold of 40 days", h)
		}
	}
}
