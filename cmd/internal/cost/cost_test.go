package cost_test

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/vigil-gateway/vigil/cmd/internal/cost"
	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// allocationsMax bounds what an event of life may allocate on average: a
// session that begins and a habit that grows are state, the rest is nothing.
const allocationsMax = 2.0

// steadyMax bounds it where nobody is new and attackers go on: what goes to the
// facet stage, the wording of evidence that is held against a session, and windows
// that still grow. Scoring, explaining and teaching allocate nothing.
const steadyMax = 1.0

// mixed is ordinary life with attackers in it.
func mixed(seed uint64, subjects int) life.Options {
	return life.Options{Seed: seed, Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC), Days: 30, Subjects: subjects, Attacks: 2, AttackDay: 1}
}

// TestAnEventAllocatesWhatItAddsToTheState scores life with attackers.
func TestAnEventAllocatesWhatItAddsToTheState(t *testing.T) {
	o := cost.Stream{Life: mixed(1, 200), Model: model.Default(), Warmup: 60_000, Events: 20_000}
	l, _, err := cost.Assess(o)
	if err != nil {
		t.Fatal(err)
	}
	each := float64(l.Allocations) / float64(l.Events)
	t.Logf("%.3f allocations and %.0f B for each event", each, float64(l.Bytes)/float64(l.Events))
	if each > allocationsMax {
		t.Errorf("%.3f allocations for each event, want at most %g", each, allocationsMax)
	}
}

// TestLittleIsAllocatedInASteadyState repeats an hour of life with its
// attackers: the sessions, places and paths are known, and findings are found
// and worded again.
func TestLittleIsAllocatedInASteadyState(t *testing.T) {
	const warmup, hour = 40_000, 5_000
	events := stream(t, mixed(2, 200), warmup+hour)
	e := engine(t)
	for i, ev := range events {
		e.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Offset: int64(i)})
	}
	steady := events[warmup:]
	last := steady[len(steady)-1].GetTime().AsTime()
	at, findings := 0, 0
	seqs := make(map[string]uint64)
	for _, ev := range events {
		seqs[ev.GetGateway()] = ev.GetSeq()
	}
	next := func() {
		ev := steady[at%len(steady)]
		at++
		last = last.Add(time.Second / 100)
		seqs[ev.GetGateway()]++
		ev.Seq, ev.Time.Seconds, ev.Time.Nanos = seqs[ev.GetGateway()], last.Unix(), int32(last.Nanosecond())
		r := e.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Offset: int64(at)})
		findings += len(r.Assessment.GetEvidence())
	}
	for range 3 * len(steady) {
		next() // Until what grows has grown.
	}
	findings = 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range steady {
		next()
	}
	runtime.ReadMemStats(&after)
	each := float64(after.Mallocs-before.Mallocs) / float64(len(steady))
	t.Logf("%.3f allocations for each event", each)
	if findings < len(steady)/100 {
		t.Errorf("%d findings in %d events: too few to show that wording them allocates nothing", findings, len(steady))
	}
	if each > steadyMax {
		t.Errorf("%.3f allocations for each event, want at most %g", each, steadyMax)
	}
}

// TestNothingOfAnEventIsKept scores events whose texts are written over once
// they are scored, and compares every byte with an engine that saw others.
func TestNothingOfAnEventIsKept(t *testing.T) {
	events := stream(t, mixed(3, 100), 30_000)
	want, got := engine(t), engine(t)
	var decoder event.Decoder
	lent := new(event.RequestEvent)
	for i, ev := range events {
		r := scorer.Record{Event: ev, Topic: topic.Requests, Offset: int64(i)}
		first := bytesOf(t, want.Assess(r))
		line, err := event.EncodeJSON(ev)
		if err != nil {
			t.Fatal(err)
		}
		err = decoder.Decode(line, lent)
		if err != nil {
			t.Fatal(err)
		}
		r.Event = lent
		if second := bytesOf(t, got.Assess(r)); !bytes.Equal(first, second) {
			t.Fatalf("event %d is assessed otherwise where the texts of earlier ones are gone", i)
		}
		for j := range line {
			line[j] = 'x'
		}
	}
	if !bytes.Equal(state(t, want), state(t, got)) {
		t.Error("the state holds texts of events")
	}
}

func stream(t *testing.T, o life.Options, events int) []*event.RequestEvent {
	t.Helper()
	world, err := life.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ev := new(event.RequestEvent)
	list := make([]*event.RequestEvent, 0, events)
	for range events {
		_, more := world.Next(ev)
		if !more {
			t.Fatalf("the history ends after %d events", len(list))
		}
		list = append(list, proto.CloneOf(ev))
	}
	return list
}

func engine(t *testing.T) *scorer.Engine {
	t.Helper()
	e, err := scorer.New(scorer.Options{Model: model.Default(), OfflineClock: true})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func bytesOf(t *testing.T, r scorer.Result) []byte {
	t.Helper()
	b, err := r.Assessment.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func state(t *testing.T, e *scorer.Engine) []byte {
	t.Helper()
	var b bytes.Buffer
	err := e.Snapshot(&b)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestARestartTakesNoMoreMemory holds a crowd, and what was restored of it.
func TestARestartTakesNoMoreMemory(t *testing.T) {
	c, err := cost.NewCrowd(model.Default(), 2000)
	if err != nil {
		t.Fatal(err)
	}
	b := state(t, c.Engine)
	before := cost.Heap()
	again := engine(t)
	err = again.Restore(bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	each := float64(cost.Heap()-before) / 2000
	t.Logf("%.0f B for each subject that has lived, %.0f B for each that was restored", c.BytesEach, each)
	if each > 1.05*c.BytesEach {
		t.Errorf("%.0f B for each subject that was restored, want at most the %.0f B of those that lived", each, c.BytesEach)
	}
	runtime.KeepAlive(c)
	runtime.KeepAlive(again)
	runtime.KeepAlive(b)
}
