package scorer_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
)

const (
	// late is how much later than others an event may arrive here: a gateway that
	// sends again after a lost answer is behind the others by about so much.
	late = 5 * time.Second
	// lateUsual is by how many nats that changes the highest suspicion of an ordinary
	// session, but for lateShare of them; lateMost by how many at most, which is what the
	// strongest single line says (volume.bytes_out).
	lateUsual, lateMost, lateShare = 2.0, 10.0, 0.05
)

// peaks are the highest suspicion of each session, or address without one, and the
// strongest action that was asked for each target.
type peaks struct {
	nats    map[string]float64
	actions map[string]string
}

// hour is one with attackers, after a month of ordinary life that an engine has seen
// and of which month is its state.
type hour struct {
	month     []byte
	events    []*event.RequestEvent
	attackers map[string]string
}

func newHour(t *testing.T, seed uint64) *hour {
	t.Helper()
	l := newLife(seed, 30)
	l.days(30)
	engine, _ := warm(t, l.take())
	var month bytes.Buffer
	err := engine.Snapshot(&month)
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range l.people {
		l.session(who, start.Add(time.Duration(l.rng.IntN(1800))*time.Second), 30*time.Minute)
	}
	attackers := l.attack(start.Add(20 * time.Minute))
	return &hour{month: month.Bytes(), events: l.take(), attackers: attackers}
}

// play plays the hour in the order in which its events come now.
func (h *hour) play(t *testing.T) peaks {
	t.Helper()
	engine := newEngine(t, false)
	err := engine.Restore(bytes.NewReader(h.month), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := peaks{make(map[string]float64), make(map[string]string)}
	play(engine, h.events, func(ev *event.RequestEvent, res scorer.Result) {
		who := ev.Session
		if who == "" {
			who = ev.Address
		}
		if res.Assessment != nil {
			p.nats[who] = max(p.nats[who], res.Assessment.GetSessionScore())
		}
		for _, q := range res.Proposals {
			if id := q.Target.GetId(); verdict.Strength(q.Action) > verdict.Strength(p.actions[id]) {
				p.actions[id] = q.Action
			}
		}
	})
	return p
}

// Events of several gateways meet in a partition, and some come seconds later than
// others. That changes what somebody is suspected of by little, but where a line is
// crossed, which is said once, by the event that crosses it: then by what that says.
// No attacker gets away with less.
func TestLateEventsChangeLittle(t *testing.T) {
	seeds := []uint64{4, 0, 1} // In the first somebody crosses a line of his own.
	if testing.Short() || raceEnabled {
		seeds = seeds[:1]
	}
	sessions, much, asked := 0, 0, 0
	for _, seed := range seeds {
		h := newHour(t, seed)
		want := h.play(t)
		moved := delay(seed, h.events)
		got := h.play(t)
		if moved < 500 {
			t.Fatalf("seed %d: %d events have changed places: the test has seen nothing", seed, moved)
		}
		guilty := make(map[string]bool)
		for name, id := range h.attackers {
			guilty[id] = true
			if verdict.Strength(got.actions[id]) < verdict.Strength(want.actions[id]) {
				t.Errorf("seed %d, %s: %q in order, %q late", seed, name, want.actions[id], got.actions[id])
			}
		}
		worst := 0.0
		for who := range want.nats {
			if guilty[who] {
				continue
			}
			by := math.Abs(want.nats[who] - got.nats[who])
			worst = max(worst, by)
			sessions++
			if by > lateUsual {
				much++
			}
			if verdict.Strength(got.actions[who]) > verdict.Strength(want.actions[who]) {
				asked++
				t.Logf("seed %d: %s, who is honest: %q in order, %q late", seed, who, want.actions[who], got.actions[who])
			}
		}
		t.Logf("seed %d: %d events moved; suspicion of the honest differs by at most %.2f nats", seed, moved, worst)
		if worst > lateMost {
			t.Errorf("seed %d: suspicion of somebody honest differs by %.2f nats, stated are %v", seed, worst, lateMost)
		}
	}
	t.Logf("of %d honest sessions %d differ by more than %v nats, %d are asked for more", sessions, much, lateUsual, asked)
	if float64(much) > lateShare*float64(sessions) || float64(asked) > 1+lateShare*float64(sessions) {
		t.Errorf("of %d honest sessions %d differ by more than %v nats and %d are asked for more, stated is a share of %v", sessions, much, lateUsual, asked, lateShare)
	}
}

// delay puts events into an order in which each has come up to late after its time, and
// returns how many have changed places.
func delay(seed uint64, events []*event.RequestEvent) (moved int) {
	r := rand.New(rand.NewPCG(seed, 17))
	arrives := make(map[*event.RequestEvent]time.Time, len(events))
	for _, e := range events {
		arrives[e] = e.Time.AsTime().Add(time.Duration(r.Int64N(int64(late))))
	}
	before := slices.Clone(events)
	slices.SortStableFunc(events, func(a, b *event.RequestEvent) int { return arrives[a].Compare(arrives[b]) })
	for i := range events {
		if events[i] != before[i] {
			moved++
		}
	}
	return moved
}
