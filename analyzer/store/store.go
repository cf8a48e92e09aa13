package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/fetch"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// Options are what a [Store] depends on. All but Access and Seals are required.
type Options struct {
	Config Config
	// Access says how the brokers are reached and as whom; nil is plain text, as nobody.
	Access *access.Access
	// Keys verifies the envelopes of vigil.verdicts.
	Keys Opener
	// Seals are the keys by which records of vigil.requests are believed; nil
	// believes all. Unsigned is for those of gateways that have none.
	Seals    seal.Keys
	Unsigned seal.Policy
	Logger   *slog.Logger
	Meter    metric.Meter
	Tracer   trace.Tracer
	Now      func() time.Time
}

// Store follows the topics into ClickHouse.
type Store struct {
	o         Options
	conn      driver.Conn
	transport *kafka.Transport
	broker    broker
	ledger    *ledger
	spare     *spares
	roots     *seal.Roots
	metrics   *metrics
	observed  metric.Registration
	kinds     map[string]kind
	rows      atomic.Int64
	down      atomic.Bool // The last insert failed.

	migrating sync.Mutex // Held while ClickHouse is asked, however long that takes.
	migrated  bool       // Guarded by migrating.

	mu      sync.Mutex           // Never held while anybody is waited for: readiness and metrics need it.
	workers map[*worker]struct{} // Guarded by mu.
	told    map[string]time.Time // When each stage's fault was last logged. Guarded by mu.
}

// Stats is what a store is doing.
type Stats struct {
	// Partitions is how many partitions this process owns.
	Partitions int
	// Rows is how many rows were stored since the start.
	Rows int64
	// Lag is how many records of the owned partitions are not stored yet.
	Lag int64
	// Down says that ClickHouse refused the last insert, which is being tried again.
	Down bool
}

// New returns a store that has joined no group and dialled nobody yet.
func New(o Options) (*Store, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	x, err := newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	conn, err := connect(o.Config, answerMax, tlsfile.Options{Now: o.Now, Changed: tlsfile.Logged(o.Logger, "clickhouse")})
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	transport := o.Access.Transport(clientID)
	transport.MetadataTTL, transport.DialTimeout, transport.IdleTimeout = 2*time.Second, 5*time.Second, time.Minute
	b := newBroker(o.Config.Brokers, transport, o.Access)
	b.throttle, err = fetch.NewThrottle("vigil.analyzer", clientID, o.Logger, o.Meter)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: %w", err), conn.Close())
	}
	s := &Store{
		o: o, conn: conn, transport: transport, broker: b, ledger: newLedger(b), spare: newSpares(), roots: seal.NewRoots(), metrics: x,
		kinds: make(map[string]kind), workers: make(map[*worker]struct{}), told: make(map[string]time.Time), migrated: !o.Config.Migrate,
	}
	for _, k := range kinds(o.Keys, o.Seals, o.Unsigned) {
		s.kinds[k.topic] = k
	}
	s.observed, err = o.Meter.RegisterCallback(s.observe, x.lag, x.depth, x.capacity)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: %w", err), conn.Close())
	}
	return s, nil
}

// Run stores what the group assigns to this process until ctx ends. It returns
// nil then, and closes the connection to ClickHouse; a store runs once.
func (s *Store) Run(ctx context.Context) error {
	defer func() {
		s.transport.CloseIdleConnections()
		err := errors.Join(s.observed.Unregister(), s.conn.Close())
		if err != nil {
			s.o.Logger.WarnContext(ctx, "close the store", "error", err)
		}
	}()
	c := s.o.Config
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: c.Group, Brokers: c.Brokers, Topics: slices.Sorted(maps.Keys(s.kinds)), Dialer: s.o.Access.Dialer(clientID, requestTimeout),
		HeartbeatInterval: c.Heartbeat, SessionTimeout: c.SessionTimeout, RebalanceTimeout: c.RebalanceTimeout,
		JoinGroupBackoff: 200 * time.Millisecond, WatchPartitionChanges: true, StartOffset: kafka.FirstOffset,
	})
	if err != nil {
		return fmt.Errorf("store: join group: %w", err)
	}
	for ctx.Err() == nil {
		gen, err := group.Next(ctx)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, kafka.ErrGroupClosed) {
				s.fault(ctx, "join", s.o.Access.Explain(err, access.Read, "group "+c.Group)) // Also a rebalance in progress: the next call waits for its end.
				pause(ctx, retryFirst)
			}
			continue
		}
		for name, partitions := range gen.Assignments {
			for _, p := range partitions {
				s.begin(ctx, gen, name, p)
			}
		}
	}
	err = group.Close() // Waits for the workers, which end with ctx.
	if err != nil {
		return fmt.Errorf("store: leave group: %w", err)
	}
	return nil
}

// begin starts the worker of one partition for one generation.
func (s *Store) begin(ctx context.Context, gen *kafka.Generation, name string, p kafka.PartitionAssignment) {
	w := &worker{store: s, kind: s.kinds[name], partition: p.ID, group: gen, committed: p.Offset, sealed: newSealed(s.o.Seals, s.roots, name, p.ID)}
	s.mu.Lock()
	s.workers[w] = struct{}{}
	s.mu.Unlock()
	if gathersIncidents(name, p.ID) {
		gen.Start(func(generation context.Context) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(generation, cancel)()
			(&incidents{store: s}).run(ctx)
		})
	}
	gen.Start(func(generation context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(generation, cancel)()
		err := w.run(ctx)
		s.mu.Lock()
		delete(s.workers, w)
		s.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			s.fault(ctx, "partition", fmt.Errorf("%s/%d: %w", name, p.ID, err))
			pause(ctx, retryFirst) // Its end ends the generation, and the next one starts it again.
		}
	})
}

// Stats returns what the store is doing.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Partitions: len(s.workers), Rows: s.rows.Load(), Down: s.down.Load()}
	for w := range s.workers {
		st.Lag += w.lag.Load()
	}
	return st
}

func (s *Store) observe(_ context.Context, to metric.Observer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	lag, depth := make(map[string]int64), int64(0)
	for w := range s.workers {
		lag[w.kind.topic] += w.lag.Load()
		depth += w.gathered.Load()
	}
	for _, name := range slices.Sorted(maps.Keys(lag)) {
		to.ObserveInt64(s.metrics.lag, lag[name], metric.WithAttributes(attribute.String("topic", name)))
	}
	to.ObserveInt64(s.metrics.depth, depth)
	to.ObserveInt64(s.metrics.capacity, int64(len(s.workers))*s.o.Config.BatchBytes)
	return nil
}

// migrate applies the migrations once per process, before its first insert.
func (s *Store) migrate(ctx context.Context) error {
	s.migrating.Lock()
	defer s.migrating.Unlock()
	if s.migrated {
		return nil
	}
	applied, err := Migrate(ctx, s.o.Config)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	s.migrated = true
	if applied > 0 {
		s.o.Logger.InfoContext(ctx, "clickhouse schema migrated", "applied", applied)
	}
	return nil
}

// fault counts what went wrong at a stage that is tried again, and logs it
// unless that was done a moment ago: an outage must not fill the log.
func (s *Store) fault(ctx context.Context, stage string, err error) {
	s.metrics.retries.Add(ctx, 1, metric.WithAttributes(attribute.String("stage", stage)))
	now := s.o.Now()
	s.mu.Lock()
	quiet := now.Sub(s.told[stage]) < faultLogEvery
	if !quiet {
		s.told[stage] = now
	}
	s.mu.Unlock()
	if quiet {
		return
	}
	s.o.Logger.WarnContext(ctx, "storing is held up", "stage", stage, "error", err)
}

// again calls try until it succeeds, ctx ends or the error is final. It
// pauses longer each time, up to RetryMax.
func (s *Store) again(ctx context.Context, stage string, final error, try func() error) error {
	for wait := retryFirst; ; wait = min(2*wait, s.o.Config.RetryMax) {
		err := try()
		if err == nil || final != nil && errors.Is(err, final) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.fault(ctx, stage, err)
		pause(ctx, wait)
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
