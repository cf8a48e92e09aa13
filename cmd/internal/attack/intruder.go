package attack

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/people"
)

// outcome is what became of one request of an intruder.
type outcome int

const (
	served  outcome = iota // The service answered.
	slowed                 // Come again later.
	refused                // The door is shut.
	cut                    // The service answered, and the answer was broken off.
	over                   // Nobody waits for it any more.
)

// intruder counts what an attacker gets. Its methods are safe for concurrent use.
type intruder struct {
	client *people.Client

	mu    sync.Mutex
	round *round
	began time.Time
	shut  time.Time // The first refusal.
}

func newIntruder(r *round, client *people.Client) *intruder {
	return &intruder{client: client, round: r}
}

// ask sends one request.
func (x *intruder) ask(ctx context.Context, s *people.Step) (outcome, error) {
	x.mu.Lock()
	if x.began.IsZero() {
		x.began = time.Now()
	}
	x.mu.Unlock()
	answer, err := x.client.Do(ctx, s)
	if err != nil {
		return over, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.round
	r.Sent++
	switch {
	case answer.Problem && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden):
		x.shutBy(answer)
		return refused, nil
	case answer.Problem: // Throttled, or a gateway in trouble: neither shuts the door.
		r.Slowed++
		return slowed, nil
	case answer.Cut && answer.Status == 0: // Not even an answer began.
		x.shutBy(answer)
		return refused, nil
	}
	r.Served++
	r.Bytes += answer.Bytes
	if ctx.Err() != nil {
		return over, nil
	}
	if answer.Cut {
		x.shutBy(answer)
		return cut, nil
	}
	return served, nil
}

// shutBy notes the first refusal, and the latest words. Called with mu held.
func (x *intruder) shutBy(a people.Answer) {
	if x.shut.IsZero() {
		x.shut = a.At
		x.round.TookMS = float64(a.At.Sub(x.began).Microseconds()) / 1000
	}
	x.round.Answer = a.String()
}

const (
	// attackMax bounds an attack: who is not stopped by then got away.
	attackMax = 60 * time.Second
	// knocks is how often he comes back to a shut door, knockEvery the pause.
	knocks     = 3
	knockEvery = 300 * time.Millisecond
)

// pressFor is press, for at most attackMax.
func (x *intruder) pressFor(ctx context.Context, most int, next func() people.Step, pause func() time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, attackMax)
	defer cancel()
	return x.press(ctx, most, next, pause)
}

// press goes on until the door stays shut, with the next step and a pause after
// each; slowed down, it comes back with the same step later. It gives up after
// most steps, or when ctx is done.
func (x *intruder) press(ctx context.Context, most int, next func() people.Step, pause func() time.Duration) error {
	shut := 0
	step := next()
	for n := 0; n < most; {
		got, err := x.ask(ctx, &step)
		if err != nil || got == over {
			return err
		}
		wait := pause()
		switch got {
		case served:
			shut = 0
			n++
			step = next()
		case slowed:
			wait = max(wait, knockEvery)
		case refused, cut:
			shut++
			if shut > knocks {
				x.round.Stopped = true
				return nil
			}
			wait = max(wait, knockEvery)
		case over:
		}
		if wait > 0 && !people.Sleep(ctx, wait) {
			return nil
		}
	}
	return nil
}

// atOnce is the pause of a script.
func atOnce() time.Duration { return 0 }
