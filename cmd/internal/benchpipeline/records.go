package benchpipeline

import (
	"bytes"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/proto"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// record is one of vigil.requests as a gateway writes it.
type record struct {
	key, value []byte
	headers    []kafka.Header
}

// header looks a header up.
func (r *record) header(name string) ([]byte, bool) {
	for _, h := range r.headers {
		if h.Key == name {
			return h.Value, true
		}
	}
	return nil, false
}

// load is what is measured with.
type load struct {
	records []record
	rows    int    // Of records that are rows of table requests.
	state   []byte // Of an engine that has seen the events before them.
	bytes   int    // Of all records, keys, values and headers.
}

// newLoad lives through a history: the first events teach the engine, the next
// are the records.
func newLoad(o Options) (*load, error) {
	world, err := life.New(life.Options{
		Seed: 1, Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC), Days: life.DaysMax, Subjects: o.Subjects, Attacks: 10, AttackDay: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	e, err := newEngine()
	if err != nil {
		return nil, err
	}
	ev := new(event.RequestEvent)
	l := &load{records: make([]record, 0, o.Events)}
	for i := range o.Warmup + o.Events {
		_, more := world.Next(ev)
		if !more {
			return nil, fmt.Errorf("records: the history ends after %d events", i)
		}
		dress(ev, i)
		if i < o.Warmup {
			e.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Offset: int64(i)})
			continue
		}
		err = l.add(ev, i)
		if err != nil {
			return nil, err
		}
	}
	var state bytes.Buffer
	err = e.Snapshot(&state)
	if err != nil {
		return nil, fmt.Errorf("records: snapshot: %w", err)
	}
	l.state = state.Bytes()
	return l, nil
}

// newEngine is the subject stage as it is offline: without gateways that tick,
// the events' own times are its clock.
func newEngine() (*scorer.Engine, error) {
	e, err := scorer.New(scorer.Options{Model: model.Default(), OfflineClock: true})
	if err != nil {
		return nil, fmt.Errorf("new engine: %w", err)
	}
	return e, nil
}

// dress gives an event the names that a gateway gives: of version 7, and a trace.
func dress(ev *event.RequestEvent, n int) {
	id := fmt.Sprintf("0194%04x-%04x-7%03x-8%03x-%012x", n>>16, n&0xffff, n&0xfff, n>>12&0xfff, n)
	ev.Id, ev.RequestId = id, id
	ev.TraceId = fmt.Sprintf("%032x", n+1)
	ev.SupportCode = event.SupportCode(id)
}

// add encodes an event.
func (l *load) add(ev *event.RequestEvent, n int) error {
	if ev.Terminal() || ev.Kind == event.KindSession {
		l.rows++
	}
	value, err := event.Append(nil, proto.CloneOf(ev))
	if err != nil {
		return fmt.Errorf("records: %w", err)
	}
	r := record{key: topic.RequestKey(ev.Tenant, ev.Subject, ev.Address), value: value}
	l.bytes += len(r.key) + len(r.value)
	for _, h := range (cloudevent.Attributes{
		ID: ev.Id, Source: "vigil://gateway/" + ev.Gateway, Type: cloudevent.TypeRequest, Time: ev.Time.AsTime(),
		ContentType: cloudevent.Protobuf, TraceParent: fmt.Sprintf("00-%s-%016x-01", ev.TraceId, n+1),
	}).Headers() {
		r.headers = append(r.headers, kafka.Header{Key: h.Key, Value: h.Value})
		l.bytes += len(h.Key) + len(h.Value)
	}
	l.records = append(l.records, r)
	return nil
}
