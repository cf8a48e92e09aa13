package benchpipeline

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/cmd/internal/life"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// headersMax is how many headers a gateway writes at most.
const headersMax = 8

// load is what is measured with. Its records lie in one piece of memory without
// pointers, so that they are nothing to the garbage collector of the paths.
type load struct {
	memory  []byte
	records []record
	names   []string // Of headers.
	rows    int      // Of records that are rows of table requests.
	state   []byte   // Of an engine that has seen the events before them.
	keys    *verdict.KeySet
}

// record is where one of vigil.requests lies, as a gateway writes it.
type record struct {
	key, value span
	headers    [headersMax]header
	n          int // Of headers.
}

type (
	span   struct{ from, to int }
	header struct {
		name  int
		value span
	}
)

func (l *load) of(s span) []byte { return l.memory[s.from:s.to:s.to] }

// header looks a header of a record up.
func (l *load) header(r *record, name string) ([]byte, bool) {
	for _, h := range r.headers[:r.n] {
		if l.names[h.name] == name {
			return l.of(h.value), true
		}
	}
	return nil, false
}

// message is a record for one attempt to write it.
func (l *load) message(r *record) kafka.Record {
	m := kafka.Record{Key: kafka.NewBytes(l.of(r.key)), Value: kafka.NewBytes(l.of(r.value)), Headers: make([]kafka.Header, r.n)}
	for i, h := range r.headers[:r.n] {
		m.Headers[i] = kafka.Header{Key: l.names[h.name], Value: l.of(h.value)}
	}
	return m
}

// keep copies a text into the memory.
func (l *load) keep(b []byte) span {
	from := len(l.memory)
	l.memory = append(l.memory, b...)
	return span{from, len(l.memory)}
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
	keys, err := newKeys()
	if err != nil {
		return nil, err
	}
	l := &load{records: make([]record, 0, o.Events), keys: keys}
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
	return l, l.seal()
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

// dress gives an event the names that a gateway gives: of version 7, and a trace. All
// are of one gateway, whose batches are full then.
func dress(ev *event.RequestEvent, n int) {
	ev.Gateway, ev.Epoch, ev.Lane, ev.Seq = gateway, 1, 0, uint64(n+1)
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
	r := record{key: l.keep(topic.RequestKey(ev.Tenant, ev.Subject, ev.Address))}
	from := len(l.memory)
	var err error
	l.memory, err = event.Append(l.memory, ev)
	if err != nil {
		return fmt.Errorf("records: %w", err)
	}
	r.value = span{from, len(l.memory)}
	for _, h := range (cloudevent.Attributes{
		ID: ev.Id, Source: seal.SourcePrefix + ev.Gateway, Type: cloudevent.TypeRequest, Time: ev.Time.AsTime(),
		ContentType: cloudevent.Protobuf, TraceParent: fmt.Sprintf("00-%s-%016x-01", ev.TraceId, n+1),
	}).Headers() {
		l.head(&r, h.Key, h.Value)
	}
	l.records = append(l.records, r)
	return nil
}

// head gives a record a header.
func (l *load) head(r *record, key string, value []byte) {
	name := slices.Index(l.names, key)
	if name < 0 {
		name = len(l.names)
		l.names = append(l.names, key)
	}
	r.headers[r.n] = header{name, l.keep(value)}
	r.n++
}
