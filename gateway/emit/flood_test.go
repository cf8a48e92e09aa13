package emit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

const floodRequests = 20_000

// flooded is what stands in the partition of a person who shares his lane with a
// flood: how many records before his, and what those are.
type flooded struct {
	before, rows int
	summarised   uint64
}

// flooding lets one address be answered 20,000 times within a second, and then a
// person ask once.
func flooding(t *testing.T, answer func(*event.RequestEvent)) (f flooded) {
	t.Helper()
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	o := options(b.Addr())
	o.Config.Tick = time.Minute // No tick stands between the flood and the person.
	now := time.Now()
	o.Now = func() time.Time { return now }
	o.Judged = func(reason string) bool { return reason == "blocked" }
	e, stop := run(t, o)
	lane := o.Lanes.Of(topic.RequestKey("default", "", "203.0.113.9"))
	for range floodRequests {
		ev := request("")
		ev.Address = "203.0.113.9"
		answer(ev)
		e.Emit(ev, "")
	}
	person := "p"
	for o.Lanes.Of(topic.RequestKey("default", person, "")) != lane {
		person += "p"
	}
	e.Emit(request(person), "")
	stop()
	last := uint64(0)
	for _, r := range readAll(t, b.Addr(), topic.Requests) {
		ev := r.event
		if ev.Lane == lane && ev.Seq != last+1 {
			t.Fatalf("number %d of the lane follows %d", ev.Seq, last)
		}
		if ev.Lane == lane {
			last = max(ev.Seq, ev.SeqEnd)
		}
		switch {
		case ev.Subject == person:
			return f
		case ev.Kind == event.KindTombstone && ev.Reason == emit.ReasonSummarised:
			f.summarised += ev.SeqEnd - ev.Seq + 1
		case ev.Kind == event.KindRequest:
			f.rows++
		}
		f.before++
	}
	t.Fatal("the person's event is missing")
	return f
}

func refused(reason string) func(*event.RequestEvent) {
	return func(ev *event.RequestEvent) { ev.Decision, ev.Status, ev.Reason = event.DecisionDeny, 403, reason }
}

// A flood of refusals stands in nobody's way, and its requests are all accounted for;
// what was permitted is told of in full.
func TestFlood(t *testing.T) {
	tests := map[string]struct {
		answer func(*event.RequestEvent)
		rows   int
	}{
		"refused for a verdict":       {refused("blocked"), emit.JudgedPerSecond},
		"refused for want of a token": {refused("token_missing"), emit.RefusedPerSecond},
		"permitted":                   {func(*event.RequestEvent) {}, floodRequests},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := flooding(t, tt.answer)
			if f.rows != tt.rows || f.rows+int(f.summarised) != floodRequests {
				t.Errorf("%d events and %d summarised, want %d, and %d in all", f.rows, f.summarised, tt.rows, floodRequests)
			}
			if f.before > tt.rows+1 { // And a tombstone.
				t.Errorf("%d records stand before the person's, want %d and a tombstone", f.before, tt.rows)
			}
		})
	}
}

// Who shares a lane with a flood and is refused himself is told of in full.
func TestFloodHidesNobodyElse(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	o := options(b.Addr())
	o.Lanes.Count = 1
	now := time.Now()
	o.Now = func() time.Time { return now }
	e, err := emit.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	for i := range floodRequests {
		flood := request("")
		flood.Address = "203.0.113.9"
		refused("token_missing")(flood)
		e.Emit(flood, "")
		if i%100 != 0 {
			continue
		}
		other := request("")
		other.Address = fmt.Sprint("198.51.100.", i/100)
		refused("token_missing")(other)
		if !e.Emit(other, "") {
			t.Fatalf("the refusal of %s is not told of", other.Address)
		}
	}
	if got, least := e.Stats().Requests.Dropped[emit.ReasonSummarised], uint64(floodRequests-2*emit.RefusedPerSecond); got < least {
		t.Errorf("%d of the flood are summarised, want at least %d", got, least)
	}
}

// Each event that passes says how many it stands for, so that their sum is the flood.
func TestSummarisedWeight(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	o := options(b.Addr())
	var now time.Time
	o.Now = func() time.Time { return now }
	o.Judged = func(string) bool { return true }
	e, err := emit.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := e.Close()
		if err != nil {
			t.Error(err)
		}
	})
	weight, first := 0, time.Now()
	for second := range 4 {
		now = first.Add(time.Duration(second) * time.Second)
		n := 3 * emit.JudgedPerSecond
		if second == 3 {
			n = 1 // It tells of the second before.
		}
		for range n {
			ev := request("")
			ev.Address, ev.Decision, ev.Status = "203.0.113.9", event.DecisionDeny, 403
			if !e.Emit(ev, "") {
				continue
			}
			weight++
			if text := ev.Attributes[event.AttributeSummarised]; text != "" {
				var others int
				_, err := fmt.Sscan(text, &others)
				if err != nil {
					t.Fatal(err)
				}
				weight += others
			}
		}
	}
	if want := 9*emit.JudgedPerSecond + 1; weight != want {
		t.Errorf("the events that passed stand for %d requests, want %d", weight, want)
	}
	if got := e.Stats().Requests.Dropped[emit.ReasonSummarised]; got != 6*emit.JudgedPerSecond {
		t.Errorf("%d counted as summarised, want %d", got, 6*emit.JudgedPerSecond)
	}
}
