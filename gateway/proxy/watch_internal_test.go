package proxy

import (
	"slices"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/gateway/session"
)

// ticks notes when a stream's progress was reported.
type ticks struct {
	began time.Time
	at    []time.Duration
}

func (*ticks) Open(Progress)   {}
func (*ticks) Ends() time.Time { return time.Time{} }
func (o *ticks) Tick(Progress) { o.at = append(o.at, time.Since(o.began)) }

// A stream on which nothing moves is reported every fourth time, and again at the next
// time once something does.
func TestStillStreamTicksRarely(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		o := &ticks{began: time.Now()}
		config := DefaultConfig()
		x := &exchange{
			proxy: &Proxy{config: config, now: time.Now}, call: &Call{Visit: new(session.Visit), Observer: o},
			lasting: true, opened: true, idleAt: time.Now(),
		}
		x.mu.Lock()
		x.schedule(config.TickEvery)
		x.mu.Unlock()
		time.Sleep(52 * time.Second)
		x.out.Add(1)
		time.Sleep(5 * time.Second)
		x.out.Add(1)
		time.Sleep(35 * time.Second)
		x.mu.Lock()
		x.done = true
		x.timer.Stop()
		x.mu.Unlock()
		var want []time.Duration
		for _, s := range []int{20, 40, 55, 60, 80} {
			want = append(want, time.Duration(s)*time.Second)
		}
		if !slices.Equal(o.at, want) {
			t.Errorf("reported after %v, want %v", o.at, want)
		}
	})
}
