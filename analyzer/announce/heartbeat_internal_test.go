package announce

import (
	"strconv"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// A heartbeat is bounded, and what it leaves out is in the next.
func TestHeartbeatsAreBoundedAndLeaveNothingOut(t *testing.T) {
	p := &Partition{wake: make(chan struct{}, 1), awaited: make(chan struct{}, 1), changed: make(map[event.Lane]uint64)}
	const lanes = 3*beatLanesMax + 7
	moved := make(map[event.Lane]uint64)
	for i := range lanes {
		moved[event.Lane{Gateway: "gw-" + strconv.Itoa(i%50), Epoch: 9, Lane: uint32(i / 50)}] = uint64(i + 1)
	}
	p.Scored(moved, false)
	<-p.wake
	collect := func(full bool, beats int) map[event.Lane]uint64 {
		t.Helper()
		out := make(map[event.Lane]uint64)
		for n := range beats {
			list := p.through(full)
			if len(list) > beatLanesMax {
				t.Fatalf("%d lanes in a heartbeat, at most %d", len(list), beatLanesMax)
			}
			for _, at := range list {
				out[event.Lane{Gateway: at.Gateway, Epoch: at.Epoch, Lane: at.Lane}] = at.Seq
			}
			if !full && len(p.wake) != min(1, beats-1-n) {
				t.Errorf("after heartbeat %d of %d: %d more are due", n+1, beats, len(p.wake))
			}
			for len(p.wake) > 0 {
				<-p.wake
			}
		}
		return out
	}
	for what, got := range map[string]map[event.Lane]uint64{"moved": collect(false, 4), "repeated": collect(true, 4)} {
		for lane, seq := range moved {
			if got[lane] != seq {
				t.Fatalf("%s: lane %v is at %d, want %d", what, lane, got[lane], seq)
			}
		}
	}
	if again := p.through(false); len(again) != 0 {
		t.Errorf("%d lanes have moved since", len(again))
	}
	last := event.Lane{Gateway: "gw-7", Epoch: 9, Lane: 1}
	p.Scored(map[event.Lane]uint64{last: 9999}, false)
	if list := p.through(true); list[0].Seq != 9999 || len(list) != beatLanesMax {
		t.Errorf("a full heartbeat of %d lanes begins with %v, want what has moved", len(list), list[0])
	}
}

// A gateway that moves more lanes than a heartbeat has room for, real ones or made up,
// keeps no other's from being told, and takes no memory without end.
func TestAGatewayOfManyLanesKeepsNobodyBack(t *testing.T) {
	tests := map[string]struct{ lanes, epochs int }{
		"as many as it may have":   {event.GatewayLanesMax, 1},
		"new ones again and again": {event.GatewayLanesMax, 1000},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := &Partition{wake: make(chan struct{}, 1), awaited: make(chan struct{}, 1), changed: make(map[event.Lane]uint64)}
			quiet, seq, beats := event.Lane{Gateway: "z", Epoch: 1}, uint64(0), 0
			for round := range 40 {
				many := make(map[event.Lane]uint64)
				for i := range tt.lanes {
					seq++
					many[event.Lane{Gateway: "a", Epoch: uint64(round % tt.epochs), Lane: uint32(i)}] = seq
				}
				p.Scored(many, false)
				if round == 0 {
					p.Scored(map[event.Lane]uint64{quiet: 7}, false)
				}
				for _, at := range p.through(false) {
					if at.Gateway == quiet.Gateway && at.Seq == 7 {
						beats = round + 1
					}
				}
				if len(p.changed) > 2*event.LanesMax {
					t.Fatalf("%d lanes wait to be told", len(p.changed))
				}
			}
			if beats == 0 || beats > 2+event.GatewayLanesMax/beatLanesMax {
				t.Errorf("the other gateway was told of in heartbeat %d of 40", beats)
			}
		})
	}
}

// Where a gateway waits the next heartbeat does not take its time.
func TestAwaitedHeartbeatsComeSooner(t *testing.T) {
	tests := map[string]struct {
		scored  time.Duration // When the next records are scored.
		awaited bool
		want    time.Duration
	}{
		"nobody waits":                   {scored: 20 * time.Millisecond, want: beatGap},
		"somebody waits":                 {scored: 20 * time.Millisecond, awaited: true, want: 20 * time.Millisecond},
		"somebody waits, right after it": {scored: time.Millisecond, awaited: true, want: awaitedGap},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				p := &Partition{wake: make(chan struct{}, 1), awaited: make(chan struct{}, 1), changed: make(map[event.Lane]uint64)}
				time.AfterFunc(tt.scored, func() { p.Scored(map[event.Lane]uint64{{Gateway: "gw", Epoch: 1}: 1}, tt.awaited) })
				began := time.Now()
				p.rest(t.Context())
				if took := time.Since(began); took != tt.want || len(p.wake) != 1 {
					t.Errorf("rested %v, want %v", took, tt.want)
				}
			})
		})
	}
}
