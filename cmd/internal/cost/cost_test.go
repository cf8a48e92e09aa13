package cost_test

import (
	"bytes"
	"fmt"
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
const allocationsMax = 0.6

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

// grownMax bounds the allocations of an hour in which next to nothing grows: a
// person's habit still takes in a value now and then, and a session that reads more
// kinds of things than those before it parks more walks.
const grownMax = 40

// TestOnlyNamesAreAllocatedInASteadyState repeats an hour of life with its attackers
// day after day, by the same sessions and by ever new ones, for which those of the
// day before are pushed out. Steady means that nobody is new whom the engine has
// room for, that who comes pushes somebody out, and that what grows has grown. Then
// an event allocates nothing, but one copy of the name of who comes; and what a
// verdict says, which is the caller's and not counted here.
func TestOnlyNamesAreAllocatedInASteadyState(t *testing.T) {
	const warmup, hour, days = 40_000, 5_000, 40
	tests := map[string]struct {
		lasting bool // Sessions and addresses outlast the hour.
	}{
		"the same sessions go on": {lasting: true},
		"every hour has its own":  {},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			events := stream(t, mixed(2, 200), warmup+hour)
			m := *model.Default()
			if !tt.lasting {
				m.Limits.SessionsMax, m.Limits.AddressesMax = len(distinct(events[warmup:])), 40
			}
			e, err := scorer.New(scorer.Options{Model: &m, OfflineClock: true, EpochEvery: -1})
			if err != nil {
				t.Fatal(err)
			}
			for i, ev := range events {
				e.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Offset: int64(i)})
			}
			h := day{engine: e, events: events[warmup:], lasting: tt.lasting, seqs: make(map[string]uint64)}
			for _, ev := range events {
				h.seqs[ev.GetGateway()] = ev.GetSeq()
			}
			for range days {
				h.again()
			}
			h.counting = true
			evicted := e.Stats().Evicted
			h.again()
			names := e.Stats().Evicted - evicted
			t.Logf("%d allocations in %d events with %d findings, in which %d entities came, and %d verdicts beside", h.allocations, hour, h.findings, names, h.verdicts)
			if h.findings < hour/100 || !tt.lasting && names < 40 {
				t.Errorf("%d findings and %d new entities in %d events: too few to show anything", h.findings, names, hour)
			}
			if h.allocations > names+grownMax {
				t.Errorf("%d allocations in %d events, want one for each of %d new names and at most %d where somebody's habit grows", h.allocations, hour, names, grownMax)
			}
		})
	}
}

// TestRepeat scores some events again and again from one state, and
// refuses to score more than there are.
func TestRepeat(t *testing.T) {
	o := cost.Stream{Life: mixed(1, 50), Model: model.Default(), Warmup: 1000, Events: 2000}
	least, middle, err := cost.Repeat(o, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*cost.Latency{least, middle} {
		if l.Events != o.Events || l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max || l.Max > int64(time.Minute) {
			t.Errorf("%+v of %d events", l, o.Events)
		}
	}
	if least.P50 > middle.P50 || least.P99 > middle.P99 {
		t.Errorf("the least, %v, takes longer than the middle, %v", least, middle)
	}
	o.Life.Days, o.Events = 2, 100_000
	_, _, err = cost.Repeat(o, 1)
	if err == nil {
		t.Error("more events than the history has were scored")
	}
}

// day sends the events of an hour day after day.
type day struct {
	engine  *scorer.Engine
	events  []*event.RequestEvent
	lasting bool
	// counting is for the day that is counted: it takes longer than scoring.
	counting bool
	seqs     map[string]uint64
	// days have passed, and of the events without a verdict allocations were counted.
	days, findings, verdicts int
	allocations              uint64
}

// again sends the hour once more, a day after the last time.
func (h *day) again() {
	offset := int64(h.days * len(h.events))
	h.days++
	var before, after runtime.MemStats
	for i, ev := range h.events {
		h.seqs[ev.GetGateway()]++
		ev.Seq = h.seqs[ev.GetGateway()]
		ev.Time.Seconds += int64(24 * time.Hour / time.Second)
		if !h.lasting && ev.GetSession() != "" {
			ev.Session = ev.GetSession()[:len(ev.GetSession())-3] + fmt.Sprintf("%03d", h.days)
		}
		r := scorer.Record{Event: ev, Topic: topic.Requests, Offset: offset + int64(i)}
		if !h.counting {
			h.engine.Assess(r)
			continue
		}
		runtime.ReadMemStats(&before)
		res := h.engine.Assess(r)
		runtime.ReadMemStats(&after)
		h.findings += len(res.Assessment.GetEvidence())
		if len(res.Proposals) > 0 {
			h.verdicts++
			continue
		}
		h.allocations += after.Mallocs - before.Mallocs
	}
}

// distinct are the sessions of events.
func distinct(events []*event.RequestEvent) map[string]bool {
	all := make(map[string]bool)
	for _, ev := range events {
		all[ev.GetSession()] = true
	}
	return all
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
