package ingest_test

import (
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// A gateway that holds a response back hears of its event without the pause that else
// is between two heartbeats, and never before its verdict.
func TestAnAwaitedEventIsToldAtOnce(t *testing.T) {
	r := newRig(t)
	r.start(t.TempDir())
	seq := uint64(0)
	round := func(path string, awaited bool) time.Duration {
		seq++
		ev := request(int(seq), "ann", path)
		ev.Gateway, ev.Epoch, ev.Lane, ev.Seq = "gw-1", 7, 0, seq
		if awaited {
			ev.Attributes = map[string]string{event.AttributeHeld: "true"}
		}
		began := time.Now()
		r.send(0, ev)
		for deadline := began.Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
			judged := false
			for _, m := range r.read(topic.Verdicts, 0) {
				msg, err := r.keys.Open(m.Value)
				if err != nil {
					t.Fatal(err)
				}
				judged = judged || msg.Verdict.GetCause().GetEventId() == ev.Id
				for _, l := range msg.Heartbeat.GetScoredThrough() {
					if l.Gateway == "gw-1" && l.Epoch == 7 && l.Seq >= seq {
						if path == "/steal" && !judged {
							t.Error("the heartbeat stands before the verdict that it covers")
						}
						return time.Since(began)
					}
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("event %d is never told", seq)
			}
		}
	}
	round("/", false) // The partition is adopted by now.
	round("/steal", true)
	for try := 1; ; try++ {
		var plain, awaited time.Duration
		for range 4 { // In turn, so that each comes soon after another's heartbeat.
			plain += round("/", false)
			awaited += round("/", true)
		}
		t.Logf("awaited events took %v in all, others %v", awaited, plain)
		if awaited < plain/2 {
			return
		}
		if try == 10 { // A machine that is busy throughout hides the pause.
			t.Fatal("who waits hears of it no sooner than who does not")
		}
	}
}

// A batch that was delivered again lies behind what came after it, in one read: what was
// scored is told all the same, since nothing may ever come that tells it later.
func TestARepeatedBatchHoldsNoPositionBack(t *testing.T) {
	r := newRig(t)
	var batch []*event.RequestEvent
	for _, seq := range []uint64{1, 2, 3, 4, 1, 2} {
		ev := request(int(seq), "ann", "/")
		ev.Gateway, ev.Epoch, ev.Lane, ev.Seq = "gw-1", 7, 0, seq
		batch = append(batch, ev)
	}
	r.send(0, batch...)
	a := r.start(t.TempDir())
	eventually(t, "all is scored", func() bool {
		list := a.Status()
		return len(list) == partitions && list[0].Next == int64(len(batch))
	})
	n := len(r.heartbeats(0))
	eventually(t, "a heartbeat more", func() bool { return len(r.heartbeats(0)) > n+1 })
	told := uint64(0)
	for _, h := range r.heartbeats(0) {
		for _, l := range h.ScoredThrough {
			told = max(told, l.Seq)
		}
	}
	if told != 4 {
		t.Errorf("told that event %d is scored, want 4", told)
	}
}
