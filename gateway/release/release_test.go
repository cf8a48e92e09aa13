package release_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/gateway/release"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const (
	gateway = "gw-1"
	epoch   = 7
)

func positions(t *testing.T, change ...func(*release.Options)) *release.Positions {
	t.Helper()
	o := release.Options{
		Config: release.DefaultConfig(), Gateway: gateway, Epoch: epoch, Lanes: 4, Meter: noop.NewMeterProvider().Meter(""), Now: time.Now,
	}
	for _, c := range change {
		c(&o)
	}
	p, err := release.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// through is a position of this gateway's life.
func through(lane uint32, seq uint64) *verdict.LanePosition {
	return &verdict.LanePosition{Gateway: gateway, Epoch: epoch, Lane: lane, Seq: seq}
}

func TestAHeartbeatMovesOnlyWhatItMay(t *testing.T) {
	t0 := time.Unix(1000, 0)
	later := t0.Add(time.Minute)
	tests := map[string]struct {
		beat     []*verdict.LanePosition
		believed bool
		stale    [2]bool // Lanes 1 and 2, of which ten numbers each have been issued.
	}{
		"nothing":                              {believed: true, stale: [2]bool{true, true}},
		"all of one lane":                      {beat: []*verdict.LanePosition{through(1, 10)}, believed: true, stale: [2]bool{false, true}},
		"all of both":                          {beat: []*verdict.LanePosition{through(1, 10), through(2, 10)}, believed: true},
		"less than all":                        {beat: []*verdict.LanePosition{through(1, 9), through(2, 10)}, believed: true, stale: [2]bool{true, false}},
		"more than was issued":                 {beat: []*verdict.LanePosition{through(1, 11)}, stale: [2]bool{true, true}},
		"more of one lane moves the other, no": {beat: []*verdict.LanePosition{through(2, 10), through(1, 11)}, stale: [2]bool{true, true}},
		"a lane that there is not":             {beat: []*verdict.LanePosition{through(2, 10), through(4, 1)}, stale: [2]bool{true, true}},
		"a lane of which nothing was issued":   {beat: []*verdict.LanePosition{through(2, 10), through(3, 1)}, stale: [2]bool{true, true}},
		"another gateway's lane, however far":  {beat: []*verdict.LanePosition{{Gateway: "gw-2", Epoch: epoch, Lane: 1, Seq: 99}}, believed: true, stale: [2]bool{true, true}},
		"another life's lane, however far":     {beat: []*verdict.LanePosition{{Gateway: gateway, Epoch: epoch + 1, Lane: 1, Seq: 99}}, believed: true, stale: [2]bool{true, true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := positions(t)
			for seq := range uint64(10) {
				p.Issued(1, seq+1, t0)
				p.Issued(2, seq+1, t0)
			}
			if got := p.Scored(tt.beat); got != tt.believed {
				t.Errorf("Scored() = %v, want %v", got, tt.believed)
			}
			got := [2]bool{p.Staleness(1, later) > 0, p.Staleness(2, later) > 0}
			if got != tt.stale {
				t.Errorf("stale lanes %v, want %v", got, tt.stale)
			}
		})
	}
}

func TestStalenessIsTheAgeOfTheOldestUnscoredNumber(t *testing.T) {
	t0 := time.Unix(1000, 0)
	at := func(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }
	p := positions(t)
	check := func(what string, now, want int) {
		t.Helper()
		if got := p.Staleness(0, at(now)); got != time.Duration(want)*time.Second {
			t.Errorf("%s: %v, want %ds", what, got, want)
		}
	}
	check("no traffic for an hour", 3600, 0)
	p.Issued(0, 1, at(3600))
	check("one that waits", 3604, 4)
	p.Issued(0, 2, at(3605))
	p.Issued(0, 3, at(3606))
	check("the first of three", 3610, 10)
	p.Scored([]*verdict.LanePosition{through(0, 1)})
	check("the second", 3610, 5)
	p.Scored([]*verdict.LanePosition{through(0, 1)})
	check("said again", 3611, 6)
	st := p.Stats(at(3611))
	if st.Oldest != 6*time.Second || st.Lagging != 1 {
		t.Errorf("stats %+v, want one lane that lags by 6s", st)
	}
	p.Scored([]*verdict.LanePosition{through(0, 3)})
	check("caught up", 9999, 0)
	p.Scored([]*verdict.LanePosition{through(0, 2)})
	check("a lane never steps back", 9999, 0)
	if st := p.Stats(at(9999)); st.Oldest != 0 || st.Lagging != 0 {
		t.Errorf("stats %+v once all is scored", st)
	}
}

// Whatever happens, a lane is never said to be younger than it is, and hardly older:
// by a tenth of a second, or an eighth of how far it was behind at the worst.
func TestStalenessAgreesWithAListOfAllNumbers(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for range 20 {
		p := positions(t)
		now, born, scored, worst := time.Unix(1000, 0), []time.Time{}, 0, time.Duration(0)
		for range 3000 {
			now = now.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
			if r.IntN(20) == 0 { // Away, or scoring catches up.
				now = now.Add(time.Duration(r.IntN(600)) * time.Second)
				scored += r.IntN(len(born) - scored + 1)
				p.Scored([]*verdict.LanePosition{through(0, uint64(scored))})
			}
			born = append(born, now)
			p.Issued(0, uint64(len(born)), now)
			want := now.Sub(born[scored])
			worst = max(worst, want)
			got := p.Staleness(0, now)
			if got < want || got > want+100*time.Millisecond+worst/8 {
				t.Fatalf("%d issued, %d scored: staleness %v, want %v (worst so far %v)", len(born), scored, got, want, worst)
			}
		}
	}
}

func TestWaitEndsInOneWay(t *testing.T) {
	errGone := errors.New("client is gone")
	const most = 50 * time.Millisecond
	tests := map[string]struct {
		at     release.Place
		bytes  int64
		config release.Config
		after  time.Duration // When something happens, 0 before the wait.
		happen func(p *release.Positions, end context.CancelCauseFunc)
		want   error
		took   time.Duration
	}{
		"scored before it waits": {happen: func(p *release.Positions, _ context.CancelCauseFunc) {
			p.Scored([]*verdict.LanePosition{through(1, 5)})
		}},
		"scored in time": {
			after: 20 * time.Millisecond, took: 20 * time.Millisecond,
			happen: func(p *release.Positions, _ context.CancelCauseFunc) {
				p.Scored([]*verdict.LanePosition{through(1, 5)})
			},
		},
		"more than its own is scored": {
			after: 20 * time.Millisecond, took: 20 * time.Millisecond,
			happen: func(p *release.Positions, _ context.CancelCauseFunc) {
				p.Scored([]*verdict.LanePosition{through(1, 9)})
			},
		},
		"one before its own is scored": {
			after: 20 * time.Millisecond, took: most, want: release.ErrLate,
			happen: func(p *release.Positions, _ context.CancelCauseFunc) {
				p.Scored([]*verdict.LanePosition{through(1, 4)})
			},
		},
		"another lane is scored": {
			after: 20 * time.Millisecond, took: most, want: release.ErrLate,
			happen: func(p *release.Positions, _ context.CancelCauseFunc) {
				p.Scored([]*verdict.LanePosition{through(2, 9)})
			},
		},
		"a heartbeat that lies": {
			after: 20 * time.Millisecond, took: most, want: release.ErrLate,
			happen: func(p *release.Positions, _ context.CancelCauseFunc) {
				p.Scored([]*verdict.LanePosition{through(1, 10)})
			},
		},
		"its client is gone": {
			after: 20 * time.Millisecond, took: 20 * time.Millisecond, want: errGone,
			happen: func(_ *release.Positions, end context.CancelCauseFunc) { end(errGone) },
		},
		"its event was dropped":        {at: release.Place{Lane: 1}, want: release.ErrUnsent},
		"no room for one":              {config: release.Config{WaitingMax: 1, HeldBytesMax: 64 << 10}, bytes: 64<<10 + 1, want: release.ErrFull},
		"just room for one":            {config: release.Config{WaitingMax: 1, HeldBytesMax: 64 << 10}, bytes: 64 << 10, want: release.ErrLate, took: most},
		"nothing happens, and it ends": {want: release.ErrLate, took: most},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				p := positions(t, func(o *release.Options) {
					if tt.config.WaitingMax > 0 {
						o.Config = tt.config
					}
				})
				for _, lane := range []uint32{1, 2} {
					for seq := range uint64(9) {
						p.Issued(lane, seq+1, time.Now())
					}
				}
				if tt.at == (release.Place{}) {
					tt.at = release.Place{Lane: 1, Seq: 5}
				}
				ctx, end := context.WithCancelCause(t.Context())
				defer end(nil)
				if tt.happen != nil && tt.after == 0 {
					tt.happen(p, end)
				} else if tt.happen != nil {
					time.AfterFunc(tt.after, func() { tt.happen(p, end) })
				}
				began := time.Now()
				err := p.Wait(ctx, tt.at, most, tt.bytes)
				if !errors.Is(err, tt.want) {
					t.Errorf("Wait() = %v, want %v", err, tt.want)
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("waited %v, want %v", took, tt.took)
				}
				if st := p.Stats(time.Now()); st.Waiting != 0 || st.HeldBytes != 0 {
					t.Errorf("%d responses and %d B still wait", st.Waiting, st.HeldBytes)
				}
			})
		})
	}
}

func TestNoMoreWaitThanMay(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		p := positions(t, func(o *release.Options) { o.Config.WaitingMax = 3 })
		p.Issued(0, 1, time.Now())
		var mu sync.Mutex
		ends := make(map[error]int)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				err := p.Wait(t.Context(), release.Place{Seq: 1}, time.Second, 10)
				mu.Lock()
				defer mu.Unlock()
				ends[err]++
			})
		}
		bubble.Wait()
		if st := p.Stats(time.Now()); st.Waiting != 3 || st.HeldBytes != 30 {
			t.Errorf("%d responses with %d B wait, want 3 with 30", st.Waiting, st.HeldBytes)
		}
		p.Scored([]*verdict.LanePosition{through(0, 1)})
		all.Wait()
		if ends[nil] != 3 || ends[release.ErrFull] != 7 {
			t.Errorf("ends %v, want 3 released and 7 turned away", ends)
		}
	})
}

// A thousand responses wait at once while heartbeats come in any order, repeated, old
// and lying ones among them: none is released before its number is scored, and none
// waits longer than it may.
func TestAThousandWait(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range uint64(10) {
		bubble.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, round))
			const lanes, each = 4, 250
			p := positions(t)
			most := make([]time.Duration, lanes*each)
			for i := range most {
				most[i] = time.Duration(1+r.IntN(100)) * time.Millisecond
				p.Issued(uint32(i%lanes), uint64(i/lanes+1), time.Now())
			}
			var mu sync.Mutex
			var said [lanes]uint64 // What has been said in good faith, before it is passed on.
			began := time.Now()
			var all sync.WaitGroup
			var released, late int
			for i, most := range most {
				lane, seq := uint32(i%lanes), uint64(i/lanes+1)
				all.Go(func() {
					err := p.Wait(t.Context(), release.Place{Lane: lane, Seq: seq}, most, 1)
					took := time.Since(began)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil && said[lane] < seq:
						t.Errorf("lane %d number %d was released at %d", lane, seq, said[lane])
					case err != nil && !errors.Is(err, release.ErrLate):
						t.Errorf("lane %d number %d: %v", lane, seq, err)
					case err != nil && said[lane] >= seq && took < most:
						t.Errorf("lane %d number %d is late after %v of %v", lane, seq, took, most)
					}
					if took > most {
						t.Errorf("lane %d number %d waited %v, longest is %v", lane, seq, took, most)
					}
					if err == nil {
						released++
					} else {
						late++
					}
				})
			}
			for range 60 {
				time.Sleep(time.Duration(r.IntN(2500)) * time.Microsecond)
				lane, seq := uint32(r.IntN(lanes)), uint64(r.IntN(each+20))
				mu.Lock()
				if seq <= each {
					said[lane] = max(said[lane], seq)
				}
				mu.Unlock()
				if p.Scored([]*verdict.LanePosition{through(lane, seq)}) != (seq <= each) {
					t.Errorf("a heartbeat up to %d of %d", seq, each)
				}
			}
			all.Wait()
			if released == 0 || late == 0 {
				t.Errorf("%d released and %d late: the test tries too little", released, late)
			}
		})
	}
}

func TestConfigNamesItsFaults(t *testing.T) {
	err := release.Config{WaitingMax: 0, HeldBytesMax: 1}.Validate()
	want := "waiting_max: must be between 1 and 1048576, is 0\nheld_bytes_max: must be between 65536 and 68719476736, is 1"
	if err == nil || err.Error() != want {
		t.Errorf("Validate() = %v, want %s", err, want)
	}
	err = release.DefaultConfig().Validate()
	if err != nil {
		t.Errorf("the default: %v", err)
	}
}
