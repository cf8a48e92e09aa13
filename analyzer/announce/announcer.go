package announce

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/zeebo/xxh3"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// ErrNotRelayed means that an envelope is authentic but not one that may be
// relayed: an analyzer's own, a heartbeat, one that has lapsed, or one with clears that is
// too large for the control record that repeats them.
var ErrNotRelayed = errors.New("envelope is not an operator's live verdict")

// source is the ce_source of what the analyzer writes.
const source = "vigil-analyzer"

// Options are what an [Announcer] depends on. All but Tracer are required.
type Options struct {
	Config Config
	// Writer reaches the brokers. The caller closes it.
	Writer *Writer
	// Signer signs in the analyzer's name: [Signing], or a [verdict.Signer].
	Signer signer
	// Keys are all public keys: what stands in the topic is believed only if
	// one of them signed it, and so are envelopes to relay.
	Keys   keyring
	Logger *slog.Logger
	Meter  metric.Meter
	Tracer trace.Tracer
	Now    func() time.Time
}

// Announcer signs verdicts and writes them. It hands out one [Partition] per
// partition that is owned.
type Announcer struct {
	config  Config
	writer  *Writer
	signer  signer
	keys    keyring
	logger  *slog.Logger
	metrics *metrics
	tracer  trace.Tracer
	now     func() time.Time
	fuse    *fuse
	guard   *guard
	ledger  *ledger
	words   words
	past    *past

	seed       maphash.Seed // Of the sums of records.
	watchEvery time.Duration
}

// New returns an announcer. It connects to nothing.
func New(o Options) (*Announcer, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("announce: %w", err)
	}
	m, err := newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("announce: metrics: %w", err)
	}
	return &Announcer{
		config: o.Config, writer: o.Writer, signer: o.Signer, keys: o.Keys, logger: o.Logger, metrics: m,
		tracer: o.Tracer, now: o.Now, fuse: newFuse(o.Config.RevokesPerMinute), guard: newGuard(o.Config.BlastRadius),
		ledger: newLedger(), past: newPast(), seed: maphash.MakeSeed(), watchEvery: watchEvery,
	}, nil
}

// Adopt takes what a stage writes to a partition over: it reads what stands in it
// and in the partitions that its keys were judged in before, and begins an epoch of its
// own. topicID is that of the stage's topic, "" where it is not known, and end the end
// of the partition there with the same number. The caller runs [Partition.Run] and stops
// using the partition when it is revoked.
func (a *Announcer) Adopt(ctx context.Context, stage Stage, partition int, topicID string, end int64) (*Partition, error) {
	p := &Partition{
		announcer: a, stage: stage, number: partition, topicID: topicID, entries: make(map[target]entry), wake: make(chan struct{}, 1),
		awaited: make(chan struct{}, 1), changed: make(map[event.Lane]uint64), mu: newGate(), beside: make(map[target][]byte), bearing: make(map[target]bool),
		sums: make(map[target]uint64), last: make(map[target]uint64), spoken: newSpoken(),
	}
	refused := 0
	// What is listed, also a key that has ended meanwhile: see resign.
	some := verdict.Opener[[]byte]{Keys: a.keys.Listed(), Take: func(record, waiting []byte, m verdict.Message, err error) {
		if err != nil {
			refused++
			return
		}
		p.recall(m, end)
		if m.Verdict != nil && p.entries[targetOf(m.Verdict)].stands == m.Verdict {
			p.sums[targetOf(m.Verdict)] = p.sum(record)
			p.carried(m.Verdict, waiting)
		}
	}}
	watched, err := a.writer.Read(ctx, topic.Verdicts, partition, 0, func(m kafka.Message) {
		p.see(m)
		authority := heartbeatOf(m, partition)
		if len(m.Value) == 0 || authority != "" && (authority != stage.Authority || outdated(m.Value, p.epoch)) {
			return
		}
		some.Add(m.Value, waitingIn(m))
	})
	if err != nil {
		return nil, fmt.Errorf("adopt partition %d: %w", partition, err)
	}
	some.Flush()
	p.watched = watched
	err = p.succeed(ctx)
	if err != nil {
		return nil, fmt.Errorf("adopt partition %d: %w", partition, err)
	}
	p.recover(ctx)
	if refused > 0 {
		a.logger.WarnContext(ctx, "verdicts in the topic are not ours and not believed", "partition", partition, "records", refused)
	}
	// The first heartbeat makes the epoch known, so that the next owner's is
	// higher also if no verdict is ever announced in this one.
	err = p.beat(ctx, true)
	if err != nil {
		return nil, fmt.Errorf("adopt partition %d: %w", partition, err)
	}
	a.logger.InfoContext(ctx, "partition adopted", "stage", stage.Authority, "partition", partition, "epoch", p.epoch, "targets", len(p.entries))
	return p, nil
}

// succeed begins the epoch behind all that was said of the partition's keys.
func (p *Partition) succeed(ctx context.Context) error {
	a := p.announcer
	n, err := a.writer.Partitions(ctx, p.stage.Topic)
	if err != nil {
		return err
	}
	of := forebears(p.number, n)
	highest, err := a.past.read(ctx, a, p.stage, of)
	if err != nil && (ctx.Err() != nil || p.epoch == 0) {
		return err // Whoever has it first must be above them.
	}
	if err != nil {
		p.unread = of
		a.metrics.unread.Add(ctx, 1)
		a.logger.ErrorContext(ctx, "alarm: what stood before the number of partitions was raised cannot be read, a weaker verdict may replace it",
			"stage", p.stage.Authority, "partition", p.number, "error", err)
	}
	p.epoch = max(p.epoch, highest) + 1
	return nil
}

// Relay writes an operator's signed envelope to the topic as it is. Clears in
// it are repeated as a control record in every partition of the topic whose stage
// judges the target, where the scorer and the fold forget in the order of the
// records. The error wraps one of package verdict's, or [ErrNotRelayed], where
// the envelope is at fault.
func (a *Announcer) Relay(ctx context.Context, record []byte) error {
	err := a.relay(ctx, record)
	result := "ok"
	if err != nil {
		result = "refused"
	}
	a.metrics.relayed.Add(ctx, 1, metric.WithAttributes(attribute.String("result", result)))
	return err
}

func (a *Announcer) relay(ctx context.Context, record []byte) error {
	msg, err := a.keys.Open(record)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	v := msg.Verdict
	if v == nil || v.Authority != verdict.AuthorityOperator && v.Authority != verdict.AuthorityFeed {
		return fmt.Errorf("relay: %w", ErrNotRelayed)
	}
	if !v.Live(a.now()) && len(v.Clears) == 0 {
		return fmt.Errorf("relay: verdict %s: %w: %w", v.Id, ErrNotRelayed, verdict.ErrExpired)
	}
	if v.Future(a.now()) {
		return fmt.Errorf("relay: verdict %s of %v: set this machine's clock or the operator's: %w: %w", v.Id, v.Time.AsTime(), ErrNotRelayed, verdict.ErrFuture)
	}
	if len(v.Clears) > 0 && len(record) > envelopePiecesMax*event.FieldBytesMax {
		return fmt.Errorf("relay: verdict %s has clears and %d B: %w", v.Id, len(record), ErrNotRelayed)
	}
	n, err := a.writer.Partitions(ctx, topic.Verdicts)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	key := topic.VerdictKey(v.Tenant, v.Target.Kind, v.Target.Id, v.Authority)
	a.words.mu.Lock() // Until it is written: what is compared is what it replaces.
	defer a.words.mu.Unlock()
	resigned, err := a.words.admits(ctx, a, RelayPartition(key, n), v)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	err = a.writer.Write(ctx, topic.Verdicts, RelayPartition(key, n), relayed(v, record))
	if err != nil {
		return fmt.Errorf("relay verdict %s: %w", v.Id, err)
	}
	a.logger.InfoContext(ctx, "operator's verdict relayed", "verdict", v.Id, "action", v.Action, "clears", len(v.Clears))
	if resigned {
		return nil // What it clears was cleared when it was new.
	}
	return a.control(ctx, v, record)
}

// RelayPartition is the partition among n that an operator's verdict with this
// key goes to. Nobody gains by choosing it, so the hash has no seed and every
// analyzer agrees.
func RelayPartition(key []byte, n int) int { return int(xxh3.Hash(key) % uint64(n)) }

// control repeats the clears of an operator's verdict in every partition of the
// topic that the target's stage reads: any of them may hold state about it.
func (a *Announcer) control(ctx context.Context, v *verdict.Verdict, record []byte) error {
	if len(v.Clears) == 0 {
		return nil
	}
	ev := clearEvent(v, record)
	ev.Time = timestamppb.New(a.now())
	value, err := event.Append(nil, ev)
	if err != nil {
		return fmt.Errorf("relay clears of %s: %w", v.Id, err)
	}
	stage := SubjectStage()
	if !stage.Owns(v.Target.GetKind()) {
		stage = FacetStage()
	}
	n, err := a.writer.Partitions(ctx, stage.Topic)
	if err != nil {
		return fmt.Errorf("relay clears of %s: %w", v.Id, err)
	}
	headers := cloudevent.Attributes{
		ID: ev.Id, Source: source, Type: cloudevent.TypeRequest, Time: ev.Time.AsTime(), ContentType: cloudevent.Protobuf,
	}.Headers()
	for i := range n {
		err = a.writer.Write(ctx, stage.Topic, i, Record{
			Key: topic.VerdictKey(v.Tenant, v.Target.Kind, v.Target.Id, v.Authority), Value: value, Headers: headers,
		})
		if err != nil {
			return fmt.Errorf("relay clears of %s: %w", v.Id, err)
		}
	}
	return nil
}
