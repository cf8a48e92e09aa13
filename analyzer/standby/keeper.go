package standby

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/analyzer/state"
)

// Results of a look at one partition, for the counter.
const (
	resultNothing     = "nothing"     // The archive has none.
	resultCurrent     = "current"     // What is here is as new.
	resultCopied      = "copied"      // A newer one is here now.
	resultDamaged     = "damaged"     // A newer one is not what was written.
	resultFull        = "full"        // A newer one would take more than bytes_max.
	resultFailed      = "failed"      // A newer one could not be copied.
	resultUnreachable = "unreachable" // The archive did not answer.
	resultOwned       = "owned"       // The partition is worked on here.
)

// errFull means that a copy would take more room than is allowed.
var errFull = errors.New("above standby.bytes_max")

// Options are what a [Keeper] depends on. All are required.
type Options struct {
	Config Config
	// Store has a folder and an archive.
	Store *state.Store
	// Topics are those whose partitions have state.
	Topics []string
	// Partitions is how many a topic has.
	Partitions func(ctx context.Context, topic string) (int, error)
	Logger     *slog.Logger
	Meter      metric.Meter
	Now        func() time.Time
}

// Keeper keeps copies of the state of partitions that others work on.
type Keeper struct {
	o       Options
	metrics *metrics
	from    int  // Where the next round begins, in the list of all partitions.
	blind   bool // Kafka did not say how many there are: that has been told.

	mu    sync.Mutex
	known map[place]*known // Guarded by mu.
}

// place is one partition of one topic.
type place struct {
	topic     string
	partition int
}

// known is what the last looks at one partition have shown.
type known struct {
	copied  state.Header // The newest on disk.
	has     bool         // There is one.
	current bool         // The archive had nothing newer when it last answered.
	result  string       // Of the last look.
	// refused are snapshots that the archive lists and has damaged.
	refused []state.Header
}

// Copy is how far a partition's copy is.
type Copy struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	// Next is the first offset that the copy has not seen, Epoch its owner's; both are 0
	// where there is none.
	Next  int64  `json:"next"`
	Epoch uint64 `json:"epoch"`
	// Saved is when the owner took it.
	Saved time.Time `json:"saved"`
	// Current says that the archive had nothing newer when it last answered.
	Current bool `json:"current"`
}

// New returns a keeper that has looked at nothing yet.
func New(o Options) (*Keeper, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("standby: %w", err)
	}
	m, err := newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("standby: metrics: %w", err)
	}
	k := &Keeper{o: o, metrics: m, known: make(map[place]*known)}
	_, err = o.Meter.RegisterCallback(k.observe, m.age, m.behind, m.size, m.capacity)
	if err != nil {
		return nil, fmt.Errorf("standby: metrics: %w", err)
	}
	return k, nil
}

// Run looks for newer snapshots until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	due := time.NewTicker(k.o.Config.Every)
	defer due.Stop()
	for {
		k.round(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-due.C:
		}
	}
}

// Current reports whether the archive had nothing newer of a partition than this disk
// when it last answered. Who takes the partition over need not ask it.
func (k *Keeper) Current(topic string, partition int) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := k.known[place{topic, partition}]
	return at != nil && at.current
}

// Copies lists what is copied, and what should be, by topic and partition.
func (k *Keeper) Copies() []Copy {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []Copy
	for p, at := range k.known {
		if at.has || !at.current {
			out = append(out, Copy{p.topic, p.partition, at.copied.Next, at.copied.Epoch, at.copied.Saved, at.current})
		}
	}
	slices.SortFunc(out, func(a, b Copy) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}

// round looks at every partition once, or until the archive does not answer.
func (k *Keeper) round(ctx context.Context) {
	var all []place
	for _, topic := range k.o.Topics {
		n, err := k.o.Partitions(ctx, topic)
		if err != nil {
			k.metrics.looks.Add(ctx, 1, metric.WithAttributes(attribute.String("result", resultUnreachable)))
			if !k.blind && ctx.Err() == nil {
				k.o.Logger.WarnContext(ctx, "standby does not know the partitions of a topic", "topic", topic, "error", err)
			}
			k.blind = true
			return
		}
		for p := range n {
			all = append(all, place{topic, p})
		}
	}
	k.blind = false
	for i := range all {
		at := (k.from + i) % len(all)
		if ctx.Err() != nil || !k.look(ctx, all[at]) {
			k.from = at + 1
			return
		}
	}
}

// look brings the copy of one partition up to date. It reports false where there is
// no use in looking at the others now.
func (k *Keeper) look(ctx context.Context, p place) bool {
	if k.o.Store.Owned(p.topic, p.partition) {
		k.mu.Lock()
		delete(k.known, p) // What was known will be old when it goes to others.
		k.mu.Unlock()
		return true
	}
	at := k.at(p)
	found, err := k.o.Store.FindArchived(ctx, p.topic, p.partition)
	if err != nil {
		k.note(ctx, p, at, resultUnreachable, err)
		return false
	}
	at.copied, at.has = k.o.Store.Newest(p.topic, p.partition)
	at.refused = slices.DeleteFunc(at.refused, func(h state.Header) bool { return !listed(found, h) })
	result, err := k.update(ctx, &at, found)
	k.note(ctx, p, at, result, err)
	return result != resultFailed
}

// update copies the newest snapshot that can be had, where it is newer than what is
// here.
func (k *Keeper) update(ctx context.Context, at *known, found []state.Found) (result string, err error) {
	at.current = true
	if len(found) == 0 {
		return resultNothing, nil
	}
	var why []error
	result = resultCurrent
	for _, f := range found {
		if at.has && !f.LaterThan(at.copied) {
			break
		}
		if slices.ContainsFunc(at.refused, func(h state.Header) bool { return same(h, f.Header) }) {
			result, at.current = resultDamaged, false
			continue
		}
		err = k.copy(ctx, f)
		switch {
		case err == nil:
			at.copied, at.has = f.Header, true
			k.metrics.bytes.Add(ctx, f.BodyBytes())
			return resultCopied, errors.Join(why...)
		case errors.Is(err, state.ErrNotNewer):
			return resultCurrent, nil
		case errors.Is(err, state.ErrOwned):
			at.current = false
			return resultOwned, nil
		case errors.Is(err, state.ErrDamaged):
			at.refused = append(at.refused, f.Header)
			result, at.current, why = resultDamaged, false, append(why, err)
		case errors.Is(err, errFull):
			at.current = false
			return resultFull, err
		default:
			at.current = false
			return resultFailed, err
		}
	}
	return result, errors.Join(why...)
}

// copy copies a snapshot where there is room for it beside what is there.
func (k *Keeper) copy(ctx context.Context, f state.Found) error {
	size := k.o.Store.Size()
	if size+f.BodyBytes() > k.o.Config.BytesMax {
		return fmt.Errorf("partition %d: %d B beside %d B: %w", f.Partition, f.BodyBytes(), size, errFull)
	}
	return k.o.Store.Copy(ctx, f, k.o.Config.BytesPerSecond)
}

// at is what is known of a partition, for the one who looks to change.
func (k *Keeper) at(p place) known {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := k.known[p]
	if at == nil {
		return known{}
	}
	return *at
}

// note keeps what a look has shown, counts it, and tells of a fault once.
func (k *Keeper) note(ctx context.Context, p place, at known, result string, err error) {
	k.metrics.looks.Add(ctx, 1, metric.WithAttributes(attribute.String("result", result)))
	if err != nil && result != at.result && ctx.Err() == nil {
		k.o.Logger.WarnContext(ctx, "standby has no newer copy", "topic", p.topic, "partition", p.partition, "result", result, "error", err)
	}
	at.result = result
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[p] = &at
}

// observe tells how old the copies are, and how much room they take.
func (k *Keeper) observe(_ context.Context, o metric.Observer) error {
	size := k.o.Store.Size()
	k.mu.Lock()
	defer k.mu.Unlock()
	behind, now := int64(0), k.o.Now()
	for p, at := range k.known {
		if at.has {
			o.ObserveFloat64(k.metrics.age, max(0, now.Sub(at.copied.Saved).Seconds()),
				metric.WithAttributes(attribute.Int("partition", p.partition), attribute.String("topic", p.topic)))
		}
		if !at.current {
			behind++
		}
	}
	o.ObserveInt64(k.metrics.behind, behind)
	o.ObserveInt64(k.metrics.size, size)
	o.ObserveInt64(k.metrics.capacity, k.o.Config.BytesMax)
	return nil
}

// listed reports whether a snapshot is still in the archive.
func listed(found []state.Found, h state.Header) bool {
	return slices.ContainsFunc(found, func(f state.Found) bool { return same(f.Header, h) })
}

// same reports whether two headers are of one snapshot of a partition.
func same(a, b state.Header) bool {
	return a.Epoch == b.Epoch && a.Next == b.Next && a.TopicID == b.TopicID && a.Saved.Equal(b.Saved)
}
