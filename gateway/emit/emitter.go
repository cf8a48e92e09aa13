package emit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/bus"
	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// issuer hears of each number as a lane gives it out, in the order of the lane. It
// must not block.
type issuer interface {
	Issued(lane uint32, seq uint64, at time.Time)
}

// Options are what an [Emitter] depends on. All but Access, Issuer, Signer and
// Judged are required.
type Options struct {
	Config Config
	// Brokers are the addresses of the cluster, host:port, at least one.
	Brokers []string
	// Access says how they are reached and as whom; nil is plain text, as nobody.
	Access *access.Access
	// Gateway is this gateway's id: unique among gateways, stable over restarts.
	Gateway string
	// Epoch is a number that grows with each start of this gateway, such as its
	// time in nanoseconds: sequence numbers begin anew in each epoch.
	Epoch uint64
	// Lanes maps keys to lanes.
	Lanes topic.Lanes
	// Issuer hears which numbers have been given out; nil for nobody.
	Issuer issuer
	// Signer seals what is written to vigil.requests; nil leaves it without a seal.
	Signer *seal.Signer
	// Judged reports, by an event's reason, whether its request was refused because its
	// sender had been judged already. Nil says so of none.
	Judged func(reason string) bool
	Logger *slog.Logger
	Meter  metric.Meter
	Now    func() time.Time
}

// Emitter carries events and enforcements to Kafka.
type Emitter struct {
	cfg          Config
	gateway      string
	source       string
	life         *life
	lives        map[uint64]*life // By epoch, this one and those that left records.
	spool        *spool.Spool     // Nil where events are in memory alone.
	receipts     *receipts
	log          *slog.Logger
	now          func() time.Time
	client       *bus.Client
	signer       *seal.Signer // Nil where nothing is sealed.
	metrics      metrics
	buffers      buffers
	records      records
	requests     *stream
	enforcements *stream
	lanes        topic.Lanes
	issuer       issuer
	judged       func(reason string) bool
	seed         maphash.Seed
	lane         []lane
}

// New returns an emitter that takes records at once; Run sends them.
func New(o Options) (*Emitter, error) {
	err := o.validate()
	if err != nil {
		return nil, fmt.Errorf("emit: %w", err)
	}
	e := &Emitter{
		cfg:     o.Config,
		gateway: o.Gateway,
		source:  seal.SourcePrefix + o.Gateway,
		signer:  o.Signer,
		log:     o.Logger,
		now:     o.Now,
		client: bus.New(bus.Options{
			Brokers: o.Brokers, Access: o.Access, Gateway: o.Gateway, Topics: []string{topic.Requests, topic.Enforcements}, Timeout: o.Config.ProduceTimeout,
		}),
		lanes:  o.Lanes,
		issuer: o.Issuer,
		judged: o.Judged,
		seed:   maphash.MakeSeed(),
		lane:   make([]lane, o.Lanes.Count),
	}
	lanes, err := e.openSpool(o)
	if err != nil {
		return nil, fmt.Errorf("emit: %w", err)
	}
	err = e.openReceipts(o)
	if err != nil {
		return nil, fmt.Errorf("emit: %w", errors.Join(err, e.Close()))
	}
	c := o.Config
	e.requests = newStream(topic.Requests, c.QueueRecordsMax, c.QueueBytesMax, newRing(lanes, c.QueueRecordsMax, c.QueueBytesMax, &e.buffers, e.load))
	e.enforcements = newStream(topic.Enforcements, c.EnforcementsMax, c.QueueBytesMax, newRing(1, c.EnforcementsMax, c.QueueBytesMax, &e.buffers, nil))
	e.metrics, err = newMetrics(o.Meter, e.requests, e.enforcements)
	if err != nil {
		return nil, fmt.Errorf("emit: %w", errors.Join(err, e.Close()))
	}
	if e.spool != nil {
		e.inherit()
	}
	e.receipts.inherit()
	return e, nil
}

func (o *Options) validate() error {
	var errs []error
	if len(o.Brokers) == 0 {
		errs = append(errs, errors.New("brokers: name at least one"))
	}
	if o.Gateway == "" || o.Epoch == 0 {
		errs = append(errs, errors.New("gateway and epoch: must be set"))
	}
	if o.Lanes.Count < 1 || o.Lanes.Count > LanesMax {
		errs = append(errs, fmt.Errorf("lanes: must be between 1 and %d, is %d", LanesMax, o.Lanes.Count))
	}
	if o.Logger == nil || o.Meter == nil || o.Now == nil {
		errs = append(errs, errors.New("logger, meter and clock: must be set"))
	}
	return errors.Join(append(errs, o.Config.Validate())...)
}

// Emit queues an event and never blocks. It cuts the event's texts to size and sets its
// gateway, epoch, lane, seq and, where they are missing, kind, id and time: the
// caller may read them, and nothing reads the event any more. traceparent is the W3C
// trace context of the request, "" for none. False means that the event was
// dropped and counted.
func (e *Emitter) Emit(ev *event.RequestEvent, traceparent string) bool {
	return e.emit(Intent{}, ev, traceparent)
}

// keyOf is the key of an event's record.
func keyOf(ev *event.RequestEvent) []byte {
	return topic.RequestKey(ev.Tenant, ev.Subject, ev.Address)
}

func (e *Emitter) emit(in Intent, ev *event.RequestEvent, traceparent string) bool {
	now := e.now()
	e.complete(ev, now)
	key := keyOf(ev)
	n := e.lanes.Of(key)
	r := e.records.get()
	*r = record{
		life: e.life, lane: n, sort: sortEvent, class: classOf(ev), id: ev.Id, typ: cloudevent.TypeRequest,
		traceparent: traceparent, time: ev.Time.AsTime(), queued: now, awaited: ev.Attributes[event.AttributeHeld] != "",
	}
	if ev.Kind == event.KindSession {
		r.typ = cloudevent.TypeSession
	}
	e.requests.count.emitted.Add(1)
	ok := e.enqueue(r, key, ev, in)
	if ok {
		e.requests.wake(n)
	}
	return ok
}

// complete makes ev an event that every reader accepts.
func (e *Emitter) complete(ev *event.RequestEvent, now time.Time) {
	ev.Clamp()
	if ev.Kind == "" {
		ev.Kind = event.KindRequest
	}
	if ev.Id == "" {
		ev.Id = newID()
	}
	if ev.Time == nil {
		ev.Time = timestamppb.New(now)
	}
	ev.Gateway, ev.Epoch = e.gateway, e.life.epoch
}

// newID returns a UUIDv7: ids sort by time, which ClickHouse likes.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// Enforce queues a receipt for a verdict, by the same rule as Emit: with a spool it
// survives the end of the process. It sets
// the enforcement's gateway and, where they are missing, id and time.
func (e *Emitter) Enforce(en *verdict.Enforcement, traceparent string) bool {
	now := e.now()
	en.Gateway = e.gateway
	if en.Id == "" {
		en.Id = newID()
	}
	if en.Time == nil {
		en.Time = timestamppb.New(now)
	}
	s := e.enforcements
	s.count.emitted.Add(1)
	if s.closed.Load() {
		s.drop(ReasonClosed, 1)
		return false
	}
	value, err := en.MarshalVT()
	if err != nil || len(value) > event.RecordBytesMax {
		s.drop(ReasonMalformed, 1)
		return false
	}
	r := &record{
		sort: sortEnforcement, key: []byte(en.VerdictId), value: value, id: en.Id, typ: cloudevent.TypeEnforcement,
		traceparent: traceparent, time: en.Time.AsTime(), queued: now,
	}
	r.weigh()
	if !e.receipts.push(r) {
		s.drop(ReasonQueueFull, 1)
		return false
	}
	s.wake(0)
	return true
}

// Stats returns the figures of this moment.
func (e *Emitter) Stats() Stats {
	now := e.now()
	st := Stats{Requests: e.requests.stats(now), Enforcements: e.enforcements.stats(now)}
	if e.spool != nil {
		st.Spool = e.spool.Figures()
	}
	return st
}

// Run sends until ctx ends, and then what is queued for at most Config.Drain, and
// last of all in each lane a tick that says that it has ended. What could not be sent by then is in the spool for the next start, else counted
// and logged. Emitting goes on during the drain and is refused after it. Its error
// is that of closing the spool.
func (e *Emitter) Run(ctx context.Context) error {
	send, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var work sync.WaitGroup
	for _, s := range []*stream{e.requests, e.enforcements} {
		work.Go(func() { e.supervise(send, s) })
	}
	e.runSpool(send, &work)
	e.tick(ctx)
	limit := time.NewTimer(e.cfg.Drain)
	defer limit.Stop()
	if e.drain(limit.C) {
		e.end()
		e.drain(limit.C)
	}
	stop()
	e.client.Close()
	work.Wait()
	e.account()
	return e.Close()
}

// drain waits until both queues are empty, which it reports, or the time is up.
func (e *Emitter) drain(limit <-chan time.Time) bool {
	for {
		settled := e.settled() // First: it may queue tombstones.
		e.requests.wakeAll()
		if settled && e.requests.empty() && e.enforcements.empty() {
			return true
		}
		select {
		case <-e.requests.popped:
		case <-e.enforcements.popped:
		case <-limit:
			return false
		}
	}
}

// end closes every lane with its last tick. Where Kafka was not there in time, lanes
// stay open: the next start delivers what is left, and closes them behind it.
func (e *Emitter) end() {
	for n := range e.lane {
		l := &e.lane[n]
		l.mu.Lock()
		if !l.closed && e.settle(uint32(n), e.now()) {
			e.say(uint32(n), event.ReasonEpochClosed)
		}
		l.closed = true
		l.mu.Unlock()
	}
}

// account closes the queues and counts what is left in them as lost.
func (e *Emitter) account() {
	for i := range e.lane {
		e.lane[i].close()
	}
	e.enforcements.closed.Store(true)
	for _, s := range []*stream{e.requests, e.enforcements} {
		lost, unconfirmed := s.abandon()
		if lost > 0 {
			s.drop(ReasonShutdown, lost)
			e.log.Error("records lost at shutdown", "topic", s.topic, "records", lost, "unconfirmed", unconfirmed)
		}
	}
}
