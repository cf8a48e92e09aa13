package epochs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/sync/errgroup"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer/epoch"
)

// Errors that a caller may tell apart.
var (
	// ErrMissing means that an epoch did not come in time.
	ErrMissing = errors.New("the shared epoch is not in the control topic")
	// ErrUnbelieved means that no analyzer has signed a control record.
	ErrUnbelieved = errors.New("no analyzer has signed the control record")
)

// signer signs in the analyzer's name.
type signer interface {
	Control(payload []byte) ([]byte, error)
}

// keyring verifies what analyzers and operators have signed. A [verdict.Ring] is one.
type keyring interface {
	OpenControl(record []byte) ([]byte, error)
	OpenOrder(record []byte) (payload []byte, kid string, err error)
}

// Options are what an [Exchange] depends on. All but Access are required.
type Options struct {
	Config  Config
	Brokers []string
	Access  *access.Access // Nil is plain text, as nobody.
	Writer  *announce.Writer
	Signer  signer
	Keys    keyring
	Logger  *slog.Logger
	Meter   metric.Meter
	Now     func() time.Time
}

// source names a summary's partition.
type source struct {
	tenant    string
	partition int32
}

// summary is what a partition has said last.
type summary struct {
	at     int64  // Its stream time.
	epoch  uint64 // What is in force there.
	sealed []byte
}

// Exchange is this process's part in the shared epochs.
type Exchange struct {
	o       Options
	metrics *metrics

	acting sync.Mutex // Held by who acts for all partitions, before mu.

	mu        sync.Mutex
	lead      bool
	term      int                               // How often this process has begun to lead.
	caughtUp  int                               // The term for which the control topic has been read to its end.
	repeat    bool                              // The control records of the latest epochs are to be written again.
	pending   map[source][]byte                 // Summaries that wait to be written.
	summaries map[source]summary                // Those in the topic.
	changed   map[string]bool                   // Tenants with a summary that nobody has looked at.
	epochs    map[epoch.Reference]*epoch.Epoch  // Those in the topic.
	latest    map[string]*epoch.Epoch           // The highest number of each tenant.
	active    map[string]activation             // What is in force, by tenant.
	waiting   map[epoch.Reference]chan struct{} // Closed when the epoch comes.
}

// New returns an exchange that has read nothing yet.
func New(o Options) (*Exchange, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("epochs: %w", err)
	}
	m, err := newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("epochs: metrics: %w", err)
	}
	return &Exchange{
		o: o, metrics: m, pending: make(map[source][]byte), summaries: make(map[source]summary), changed: make(map[string]bool),
		epochs: make(map[epoch.Reference]*epoch.Epoch), latest: make(map[string]*epoch.Epoch), active: make(map[string]activation), waiting: make(map[epoch.Reference]chan struct{}),
	}, nil
}

// Run follows the control topic, writes summaries and builds epochs until ctx
// ends. Faults of Kafka are logged, counted and outlived.
func (x *Exchange) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { x.follow(ctx); return nil })
	g.Go(func() error { x.work(ctx); return nil })
	return g.Wait()
}

// Publish hands a summary over to be written; a newer one of its partition
// replaces it. It never blocks.
func (x *Exchange) Publish(s *epoch.Summary) {
	b := s.Encode()
	x.mu.Lock()
	defer x.mu.Unlock()
	key := source{s.Tenant, s.Partition}
	_, known := x.pending[key]
	if known || len(x.pending) < summariesMax {
		x.pending[key] = b
	}
}

// Lead says whether this process owns partition 0 of the requests and builds
// the epochs.
func (x *Exchange) Lead(leads bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if leads && !x.lead {
		x.term++
		x.repeat = true
	}
	x.lead = leads
}

// Find returns an epoch, and waits for it as long as the configuration says. The
// error wraps [ErrMissing], or is that of ctx.
func (x *Exchange) Find(ctx context.Context, ref epoch.Reference) (*epoch.Epoch, error) {
	x.mu.Lock()
	e := x.epochs[ref]
	came := x.waiting[ref]
	if e == nil && came == nil {
		came = make(chan struct{})
		x.waiting[ref] = came
	}
	x.mu.Unlock()
	if e != nil {
		return e, nil
	}
	limit := time.NewTimer(x.o.Config.Wait)
	defer limit.Stop()
	select {
	case <-came:
		x.mu.Lock()
		e = x.epochs[ref]
		x.mu.Unlock()
		if e != nil {
			return e, nil // Else it was pruned as soon as it came.
		}
	case <-limit.C:
	case <-ctx.Done():
		return nil, fmt.Errorf("epoch %d of tenant %q: %w", ref.Number, ref.Tenant, context.Cause(ctx))
	}
	return nil, fmt.Errorf("epoch %d of tenant %q, digest %s, waited at most %v: %w", ref.Number, ref.Tenant, ref.Digest, x.o.Config.Wait, ErrMissing)
}

// Believe reports why a control event must not put its epoch in force: only an
// analyzer's signature over what it names counts. Other events are believed. The
// error wraps [verdict.ErrUnknownKey], too, where the key may have been an
// analyzer's once.
func (x *Exchange) Believe(ctx context.Context, ev *event.RequestEvent) error {
	if ev.GetKind() != event.KindControl || ev.GetReason() != event.ReasonEpoch {
		return nil
	}
	ref, ok := epoch.Named(ev)
	said, err := x.o.Keys.OpenControl([]byte(ev.GetAttributes()[attributeEnvelope]))
	if err == nil && ok && bytes.Equal(said, payloadOf(ref)) {
		return nil
	}
	x.metrics.unbelieved.Add(ctx, 1)
	return errors.Join(fmt.Errorf("epoch control record: %w", ErrUnbelieved), err)
}

// follow reads the control topic from its start on.
func (x *Exchange) follow(ctx context.Context) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: x.o.Brokers, Topic: topic.Control, Partition: 0, MaxBytes: readBytesMax, MaxWait: readWait,
		Dialer: x.o.Access.Dialer("vigil-analyzer", readWait*5),
	})
	defer func() { _ = r.Close() }() // It has nothing to lose.
	failing := false
	for ctx.Err() == nil {
		m, err := r.ReadMessage(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failing = x.fault(ctx, "follow", x.o.Access.Explain(err, access.Read, "topic "+topic.Control), failing)
			pause(ctx, readWait)
			continue
		}
		failing = false
		x.take(ctx, m.Key, m.Value)
	}
}

// take books one record of the topic. Keys of other kinds are others' business.
func (x *Exchange) take(ctx context.Context, key, value []byte) {
	tenant, kind, ok := kindOf(key)
	if !ok {
		return
	}
	var err error
	switch {
	case len(value) == 0 && kind == kindEpoch:
		x.forget(key)
	case len(value) == 0:
	case kind == kindEpoch:
		err = x.takeEpoch(tenant, value)
	case kind == kindSummary:
		err = x.takeSummary(tenant, value)
	case kind == kindActivation:
		err = x.takeActivation(tenant, value)
	}
	if err != nil {
		x.metrics.refused.Add(ctx, 1)
		x.o.Logger.WarnContext(ctx, "record of the control topic is passed over", "key", string(key), "error", err)
	}
}

func (x *Exchange) takeEpoch(tenant string, value []byte) error {
	e, err := epoch.Decode(value)
	if err != nil {
		return err
	}
	if e.Tenant != tenant {
		return fmt.Errorf("epoch of tenant %q under the key of %q", e.Tenant, tenant)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	ref := e.Reference()
	if x.epochs[ref] == nil && len(x.epochs) >= tenantsMax*keptMax {
		return fmt.Errorf("more than %d epochs", tenantsMax*keptMax)
	}
	x.epochs[ref] = e
	if last := x.latest[tenant]; last == nil || e.Number > last.Number {
		x.latest[tenant] = e
	}
	if came := x.waiting[ref]; came != nil {
		close(came)
		delete(x.waiting, ref)
	}
	return nil
}

func (x *Exchange) takeSummary(tenant string, value []byte) error {
	s, err := epoch.DecodeSummary(value)
	if err != nil {
		return err
	}
	if s.Tenant != tenant {
		return fmt.Errorf("summary of tenant %q under the key of %q", s.Tenant, tenant)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	key := source{tenant, s.Partition}
	old, known := x.summaries[key]
	switch {
	case !known && len(x.summaries) >= summariesMax:
		return fmt.Errorf("more than %d summaries", summariesMax)
	case known && s.At < old.at:
		return nil // Read again by a process that begins to lead.
	}
	x.summaries[key] = summary{s.At, s.Epoch, value}
	x.changed[tenant] = true
	return nil
}

// forget drops the epoch that a tombstone names.
func (x *Exchange) forget(key []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for ref, e := range x.epochs {
		active := x.active[ref.Tenant]
		if bytes.Equal(epochKey(ref), key) && e != x.latest[ref.Tenant] && active.Number != ref.Number {
			delete(x.epochs, ref)
		}
	}
}

// fault counts a fault that is outlived. Of those that follow each other, the first is
// logged: an outage must not fill the log. It is true.
func (x *Exchange) fault(ctx context.Context, stage string, err error, failing bool) bool {
	x.metrics.errors.Add(ctx, 1)
	if !failing {
		x.o.Logger.WarnContext(ctx, "shared epochs fault, it is tried again", "stage", stage, "error", err)
	}
	return true
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
