package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/analyzer/state/cold"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/fetch"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Engine is the part of a stage that every worker needs: of [scorer.Engine] or
// of [facet.Engine]. It is an [Assessor] or a [Taker] besides, as its topic asks.
type Engine interface {
	Snapshot(w io.Writer) error
	Restore(r io.Reader, keep func(key []byte) bool) error
	SwapModel(m *model.Model)
}

// counting is the part of an engine that knows how many sessions are active.
type counting interface {
	Active(within time.Duration) map[string]int
}

// Assessor is the part of [scorer.Engine] that takes events.
type Assessor interface {
	Assess(r scorer.Record) scorer.Result
}

// Taker is the part of [facet.Engine] that takes cuts.
type Taker interface {
	Take(r facet.Record) facet.Result
	Clear(tenant string, t *verdict.Target)
}

// sharing is the part of an engine that takes part in shared epochs.
type sharing interface {
	Lacks(ev *event.RequestEvent) (epoch.Reference, bool)
	Offer(e *epoch.Epoch)
	Summaries(partition int32, yield func(*epoch.Summary) bool)
}

// Epochs is the part of [epochs.Exchange] that workers need.
type Epochs interface {
	Lead(leads bool)
	Publish(s *epoch.Summary)
	Find(ctx context.Context, ref epoch.Reference) (*epoch.Epoch, error)
	Believe(ctx context.Context, ev *event.RequestEvent) error
}

// Copies is the part of [standby.Keeper] that workers need.
type Copies interface {
	// Current reports whether the archive has nothing newer of a partition than this disk.
	Current(topic string, partition int) bool
}

// Options are what an [Ingest] depends on. All but Epochs, Seals, Access, Profiles,
// Standby, Began and Copies are required.
type Options struct {
	Config  Config
	Brokers []string
	Access  *access.Access // Nil is plain text, as nobody.
	// Stage says which topic is read and which targets are judged.
	Stage announce.Stage
	// Model is in force until [Ingest.SwapModel].
	Model *model.Model
	// NewEngine returns an engine without history.
	NewEngine func(m *model.Model) (Engine, error)
	// Lanes maps the keys of a warm start to partitions, as the gateways do.
	Lanes topic.Lanes
	State *state.Store
	Keep  state.Config
	// Standby says that this process works only while fewer than so many other members
	// of the group do, 0 that it always does.
	Standby int
	// Began is when this process began: of standbys the oldest work first. It is the
	// same for both stages.
	Began time.Time
	// Copies says what is known of the copies that a standby keeps; nil for none.
	Copies Copies
	// Profiles lists what a snapshot that NewEngine's engines wrote says about
	// subjects, for people to read in the archive; nil for nothing.
	Profiles  func(m *model.Model, snapshot io.Reader, yield func(*scorer.Profile) bool) error
	Announcer *announce.Announcer
	// Seals are the keys by which records are believed; nil where the topic bears no seals.
	Seals seal.Keys
	// Epochs carries what partitions share; nil where they share nothing, and
	// control records for shared epochs are then poison.
	Epochs Epochs
	Writer *announce.Writer
	Logger *slog.Logger
	Meter  metric.Meter
	Tracer trace.Tracer
	Now    func() time.Time
}

// Ingest works for one stage on the partitions that the group assigns to this process.
type Ingest struct {
	o         Options
	transport *kafka.Transport
	client    *kafka.Client
	reader    *fetch.Reader
	throttle  *fetch.Throttle
	roots     *seal.Roots
	metrics   *metrics
	refusals  *refusals
	model     atomic.Pointer[model.Model]
	joined    atomic.Bool
	noting    atomic.Bool   // The member is being noted.
	hanging   atomic.Int32  // What was given up because the disk hangs, and is still under way.
	facets    atomic.Int64  // Partitions of vigil.facets, 0 for not known yet.
	doubts    atomic.Uint64 // Faults of reading: after one, the topic may be another.

	mu      sync.Mutex
	parked  map[int]parked       // Engines of partitions that are not owned at the moment.
	workers map[int]*worker      // The owned ones.
	told    map[string]time.Time // When often has told of a stage.
}

// parked is an engine, the first offset of a topic that it has not seen, the epoch
// under which it saw the others, and how far the chains of batches were then.
type parked struct {
	engine  Engine
	next    int64
	topicID string
	epoch   uint64
	seals   []seal.Entry
	shelf   *cold.Shelf
}

// New returns an ingest that has not joined its group yet.
func New(o Options) (*Ingest, error) {
	err := errors.Join(o.Config.Validate(), o.Keep.Validate())
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	m, err := newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("ingest: metrics: %w", err)
	}
	throttle, err := fetch.NewThrottle("vigil.analyzer", clientID, o.Logger, o.Meter)
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	o.Logger = o.Logger.With("topic", o.Stage.Topic) // Both stages have a partition 0.
	t := o.Access.Transport(clientID)
	t.MetadataTTL = time.Second
	brokers := kafka.TCP(o.Brokers...)
	i := &Ingest{
		o: o, transport: t, client: &kafka.Client{Addr: brokers, Transport: t}, reader: fetch.New(t, brokers), throttle: throttle, roots: seal.NewRoots(), metrics: m,
		parked: make(map[int]parked), workers: make(map[int]*worker),
	}
	i.refusals = &refusals{log: o.Logger, now: o.Now, counted: m.refused, keys: o.Seals}
	i.model.Store(o.Model)
	_, err = o.Meter.RegisterCallback(i.observe, m.lag, m.owned, m.depth, m.capacity)
	if err != nil {
		return nil, fmt.Errorf("ingest: metrics: %w", err)
	}
	return i, nil
}

// SwapModel puts another model in force: each worker takes it before its next read.
func (i *Ingest) SwapModel(m *model.Model) { i.model.Store(m) }

// Joined reports whether this process is in the group, with partitions or as a
// reserve without.
func (i *Ingest) Joined() bool { return i.joined.Load() }

// Model is the model in force.
func (i *Ingest) Model() *model.Model { return i.model.Load() }

// Run joins the group and scores until ctx ends; then it finishes what it
// holds, saves state, commits and leaves. Faults of Kafka are logged, counted
// and outlived.
func (i *Ingest) Run(ctx context.Context) error {
	defer i.transport.CloseIdleConnections()
	defer i.unpark(ctx, nil)
	c := i.o.Config
	i.leave(ctx)
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: c.Group, Brokers: i.o.Brokers, Topics: []string{i.o.Stage.Topic},
		Dialer:            i.o.Access.Dialer(i.transport.ClientID, requestTimeout),
		HeartbeatInterval: c.Heartbeat, SessionTimeout: c.SessionTimeout, RebalanceTimeout: c.RebalanceTimeout,
		JoinGroupBackoff: joinBackoff, StartOffset: kafka.FirstOffset,
		WatchPartitionChanges: true, Timeout: requestTimeout,
		// All but the first are what members of earlier versions offer: a group agrees on
		// what all of its members know.
		GroupBalancers: []kafka.GroupBalancer{sticky{i}, withoutStandbys{sticky{i}}, kafka.RangeGroupBalancer{}, kafka.RoundRobinGroupBalancer{}},
	})
	if err != nil {
		return fmt.Errorf("ingest: join group: %w", err)
	}
	defer func() {
		err := group.Close() // Ends the generation and waits for its workers.
		if err != nil {
			i.o.Logger.WarnContext(ctx, "leaving the group", "error", err)
		}
	}()
	said := "" // The last fault, so that an outage is logged once and not five times a second.
	former := former{ingest: i}
	defer former.back("")
	for {
		gen, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, kafka.ErrGroupClosed):
			return nil
		case errors.Is(err, kafka.RebalanceInProgress):
			continue
		case err != nil:
			i.joined.Store(false)
			former.lost(ctx)
			err = i.o.Access.Explain(err, access.Read, "group "+c.Group)
			if err.Error() == said {
				i.metrics.errors.Add(ctx, 1, metric.WithAttributes(attribute.String("stage", "join")))
				continue
			}
			said = err.Error()
			i.fault(ctx, "join", err)
			continue
		}
		said = ""
		former.back(gen.MemberID)
		i.joined.Store(true)
		i.remember(ctx, gen)
		i.begin(ctx, gen)
	}
}

// begin starts a worker for each partition of a generation. A worker that
// fails ends the generation, and the next one begins from what is committed.
func (i *Ingest) begin(ctx context.Context, gen *kafka.Generation) {
	assigned := gen.Assignments[i.o.Stage.Topic]
	ids := make([]int, 0, len(assigned))
	for _, a := range assigned {
		ids = append(ids, a.ID)
	}
	i.o.Logger.InfoContext(ctx, "partitions assigned", "generation", gen.ID, "partitions", ids)
	i.unpark(ctx, ids)
	for _, a := range assigned {
		gen.Start(func(genCtx context.Context) {
			err := i.own(genCtx, gen, a)
			if err == nil || genCtx.Err() != nil {
				return
			}
			i.fault(ctx, "worker", fmt.Errorf("partition %d: %w", a.ID, err))
			pause(genCtx, joinBackoff)
		})
	}
}

// unpark drops the engines of partitions that went to others: those records
// are scored elsewhere, and memory is for what is owned.
func (i *Ingest) unpark(ctx context.Context, assigned []int) {
	var shelves []*cold.Shelf
	i.mu.Lock()
	for id := range i.parked {
		if !slices.Contains(assigned, id) {
			shelves = append(shelves, i.parked[id].shelf)
			delete(i.parked, id)
		}
	}
	i.mu.Unlock()
	i.closeShelves(ctx, shelves...)
}

// own works one partition until ctx, the generation's, ends.
func (i *Ingest) own(ctx context.Context, gen *kafka.Generation, a kafka.PartitionAssignment) error {
	w := newWorker(i, gen, a)
	defer i.o.State.Own(i.o.Stage.Topic, a.ID)()
	i.mu.Lock()
	i.workers[a.ID] = w
	i.mu.Unlock()
	err := w.run(ctx)
	i.mu.Lock()
	delete(i.workers, a.ID)
	if w.engine != nil && err == nil && len(i.parked) < partitionsMax {
		i.parked[a.ID] = w.park()
	}
	i.mu.Unlock()
	w.unshelve(ctx) // Without the lock: the disk may hang.
	return err
}

// takeParked hands a parked engine over, if there is one.
func (i *Ingest) takeParked(partition int) (parked, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p, ok := i.parked[partition]
	delete(i.parked, partition)
	return p, ok
}

// isParked reports whether an engine is parked for a partition.
func (i *Ingest) isParked(partition int) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, ok := i.parked[partition]
	return ok
}

// Status is how far an owned partition is.
type Status struct {
	Partition int `json:"partition"`
	// Next is the offset of the next record to score, End the end of the partition.
	Next int64 `json:"next"`
	End  int64 `json:"end"`
	// Ready says that state is restored and the backlog known at assignment is scored.
	Ready bool `json:"ready"`
	// Epoch is the verdict epoch of this ownership.
	Epoch uint64 `json:"epoch"`
}

// Lag is how many records wait.
func (s Status) Lag() int64 { return max(s.End-s.Next, 0) }

// Status lists the owned partitions in order.
func (i *Ingest) Status() []Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := make([]Status, 0, len(i.workers))
	for id, w := range i.workers {
		out = append(out, Status{
			Partition: id, Next: w.seen.Load(), End: w.end.Load(), Ready: w.ready.Load(), Epoch: w.epoch.Load(),
		})
	}
	slices.SortFunc(out, func(a, b Status) int { return cmp.Compare(a.Partition, b.Partition) })
	return out
}

// observe reports lag and queue of each owned partition.
func (i *Ingest) observe(_ context.Context, o metric.Observer) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	depth, where := 0, attribute.String("topic", i.o.Stage.Topic)
	for id, w := range i.workers {
		depth += len(w.fetched)
		o.ObserveInt64(i.metrics.lag, max(w.end.Load()-w.seen.Load(), 0), metric.WithAttributes(attribute.Int("partition", id), where))
	}
	o.ObserveInt64(i.metrics.owned, int64(len(i.workers)), metric.WithAttributes(where))
	o.ObserveInt64(i.metrics.depth, int64(depth), metric.WithAttributes(where))
	o.ObserveInt64(i.metrics.capacity, int64(len(i.workers)*prefetch), metric.WithAttributes(where))
	return nil
}

// fault counts and logs a fault that is outlived.
func (i *Ingest) fault(ctx context.Context, stage string, err error) {
	i.metrics.errors.Add(ctx, 1, metric.WithAttributes(attribute.String("stage", stage)))
	i.o.Logger.WarnContext(ctx, "scoring path fault", "stage", stage, "error", err)
}

// often is fault for what whoever may write can bring about as often as he likes: all of
// it is counted, and told once in a while.
func (i *Ingest) often(ctx context.Context, stage string, err error) {
	now := i.o.Now()
	i.mu.Lock()
	last, known := i.told[stage]
	quiet := known && now.Sub(last) < oftenLogEvery
	if i.told == nil {
		i.told = make(map[string]time.Time)
	}
	if !quiet {
		i.told[stage] = now
	}
	i.mu.Unlock()
	if quiet {
		i.metrics.errors.Add(ctx, 1, metric.WithAttributes(attribute.String("stage", stage)))
		return
	}
	i.fault(ctx, stage, err)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
