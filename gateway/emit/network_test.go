package emit_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/deploy/devstack/linetest"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// produceTimeout is that of an emitter on a bad line.
const produceTimeout = 500 * time.Millisecond

// badLine is an emitter that reaches its broker over a line of which things can be wrong.
func badLine(t *testing.T) (e *emit.Emitter, line *linetest.Line, addr string, stop func()) {
	t.Helper()
	addr = cluster(t)
	line = linetest.New(t, addr)
	o := spooled(t, addr)
	o.Access = access.Through(line.Dial)
	o.Config.ProduceTimeout = produceTimeout
	e, stop = run(t, o)
	e.Emit(request("first"), "")
	until(t, "the first event is stored", func() bool { return e.Stats().Requests.AckedEvents == 1 })
	return e, line, addr, stop
}

// arrived checks that each event counts once. Copies are allowed: they have the numbers of
// what they repeat.
func arrived(t *testing.T, addr string, want map[string]int) (copies int) {
	t.Helper()
	got := auditOf(t, readAll(t, addr, topic.Requests))
	copies, got.Duplicates = got.Duplicates, 0
	if diff := cmp.Diff(audit{Events: want, Covered: map[string]uint64{}}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	return copies
}

// ours counts the goroutines of the emitter and of its client; the line has its own.
func ours() int {
	buf := make([]byte, 8<<20)
	buf = buf[:runtime.Stack(buf, true)]
	n := 0
	for one := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(one, "/gateway/emit.") || strings.Contains(one, "segmentio/kafka-go") {
			n++
		}
	}
	return n
}

// The broker stores a batch and its answer is lost: the batch is sent again, and who
// reads it recognises each record by its number.
func TestALostAcknowledgementIsNoSecondEvent(t *testing.T) {
	e, line, addr, stop := badLine(t)
	line.Cut(linetest.Answers, 50*time.Millisecond)
	for range 300 {
		e.Emit(request("alice"), "")
	}
	until(t, "the loss shows", func() bool { return e.Stats().Requests.Failing > 0 })
	line.Heal()
	until(t, "all is stored", func() bool { return e.Stats().Requests.AckedEvents == 301 })
	stop()
	if copies := arrived(t, addr, map[string]int{"first": 1, "alice": 300}); copies == 0 {
		t.Error("no batch was stored twice: the test has seen nothing")
	}
}

// A broker behind a line of 1 KB/s and half a second each way holds up no request,
// and costs no goroutine, however long it lasts.
func TestASlowBrokerHoldsNobodyUp(t *testing.T) {
	e, line, addr, stop := badLine(t)
	line.Slow(1<<10, 500*time.Millisecond)
	before := ours()
	const n = 2000
	for range n {
		if !e.Emit(request("alice"), "") {
			t.Fatal("Emit = false, and there is room")
		}
	}
	if acked := e.Stats().Requests.AckedEvents; acked > n/10 {
		t.Fatalf("%d of %d events are stored already: the line is not slow", acked, n)
	}
	until(t, "batches were given up several times", func() bool { return e.Stats().Requests.Oldest > 5*produceTimeout })
	const more = 12 // Per partition a few that wait for an answer, or for a connection.
	if now := ours(); now > before+more {
		t.Errorf("%d goroutines of the gateway's, %d before", now, before)
	}
	line.Heal()
	until(t, "all is stored", func() bool { return e.Stats().Requests.AckedEvents == n+1 })
	stop()
	arrived(t, addr, map[string]int{"first": 1, "alice": n})
}

// A connection of which the other end is gone without a word is given up when its
// request's time is over, and nothing of what was sent on it is lost.
func TestAHalfOpenConnectionIsNoticed(t *testing.T) {
	e, line, addr, stop := badLine(t)
	line.Silence(linetest.Requests, linetest.Answers)
	began := time.Now()
	for range 300 {
		e.Emit(request("alice"), "")
	}
	until(t, "the silence shows", func() bool { return e.Stats().Requests.Failing > 0 })
	if took := time.Since(began); took > emit.ProduceTimeoutLimit {
		t.Errorf("noticed after %v, promised is %v at most", took, emit.ProduceTimeoutLimit)
	}
	line.Heal()
	until(t, "all is stored", func() bool { return e.Stats().Requests.AckedEvents == 301 })
	stop()
	arrived(t, addr, map[string]int{"first": 1, "alice": 300})
}
