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

// flood lets one address be refused 20,000 times within a second, and then a person
// ask once.
func flood(t *testing.T, reason string) (f flooded) {
	t.Helper()
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	o := options(b.Addr())
	now := time.Now()
	o.Now = func() time.Time { return now }
	o.Judged = func(reason string) bool { return reason == "blocked" }
	e, stop := run(t, o)
	lane := o.Lanes.Of(topic.RequestKey("default", "", "203.0.113.9"))
	for range floodRequests {
		ev := request("")
		ev.Address, ev.Decision, ev.Status, ev.Reason = "203.0.113.9", event.DecisionDeny, 403, reason
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

// A flood that has been judged stands in nobody's way, and its requests are all
// accounted for; one that has not is told of in full.
func TestFloodOfJudged(t *testing.T) {
	judged, unjudged := flood(t, "blocked"), flood(t, "token_missing")
	if judged.rows != emit.JudgedPerSecond || judged.rows+int(judged.summarised) != floodRequests {
		t.Errorf("of a judged flood %d events and %d summarised, want %d and %d in all", judged.rows, judged.summarised, emit.JudgedPerSecond, floodRequests)
	}
	if unjudged.rows != floodRequests || unjudged.summarised != 0 {
		t.Errorf("of a flood that nobody has judged %d events and %d summarised, want %d and none", unjudged.rows, unjudged.summarised, floodRequests)
	}
	t.Logf("records before the person's: %d and %d", judged.before, unjudged.before)
	if 20*judged.before > unjudged.before {
		t.Errorf("%d records stand before the person's, %d where the flood is told in full: want a twentieth at most", judged.before, unjudged.before)
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
