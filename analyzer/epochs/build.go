package epochs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// work writes what is pending and builds what is due, until ctx ends.
func (x *Exchange) work(ctx context.Context) {
	due := time.NewTicker(lookEvery)
	defer due.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-due.C:
		}
		err := x.Tend(ctx)
		failing = err != nil && ctx.Err() == nil && x.fault(ctx, "tend", err, failing)
	}
}

// Tend writes the summaries that are pending and, where this process leads, the
// epochs that are due. [Exchange.Run] does it every few seconds.
func (x *Exchange) Tend(ctx context.Context) error {
	err := x.writeSummaries(ctx)
	if err != nil {
		return err
	}
	x.acting.Lock()
	defer x.acting.Unlock()
	x.mu.Lock()
	lead, term, behind := x.lead, x.term, x.caughtUp != x.term
	x.mu.Unlock()
	if !lead {
		return nil
	}
	if behind {
		err = x.catchUp(ctx, term)
		if err != nil {
			return err
		}
	}
	err = x.repeatAll(ctx)
	if err != nil {
		return err
	}
	err = x.advance(ctx)
	if err != nil {
		return err
	}
	x.mu.Lock()
	tenants := slices.Sorted(maps.Keys(x.changed))
	x.mu.Unlock()
	for _, tenant := range tenants {
		err = x.build(ctx, tenant)
		if err != nil {
			return fmt.Errorf("tenant %q: %w", tenant, err)
		}
	}
	return x.advance(ctx)
}

// advance puts each tenant's latest epoch in force, unless a person is to do that.
func (x *Exchange) advance(ctx context.Context) error {
	if x.o.Config.Promotion != Automatic {
		return nil
	}
	x.mu.Lock()
	var due []*epoch.Epoch
	for _, tenant := range slices.Sorted(maps.Keys(x.latest)) {
		e, active := x.latest[tenant], x.active[tenant]
		if e.Number > active.Number && !active.Held {
			due = append(due, e)
		}
	}
	x.mu.Unlock()
	for _, e := range due {
		err := x.put(ctx, e, false, "")
		if err != nil {
			return fmt.Errorf("tenant %q: %w", e.Tenant, err)
		}
	}
	return nil
}

// repeatAll tells every partition what is in force for every tenant, where some may
// not have been told.
func (x *Exchange) repeatAll(ctx context.Context) error {
	x.mu.Lock()
	repeat := x.repeat
	known := make([]epoch.Reference, 0, len(x.active))
	for _, tenant := range slices.Sorted(maps.Keys(x.active)) {
		a := x.active[tenant]
		ref, ok := a.reference()
		if ok && x.epochs[ref] != nil {
			known = append(known, ref)
		}
	}
	x.mu.Unlock()
	if !repeat {
		return nil
	}
	for _, ref := range known {
		err := x.activate(ctx, ref)
		if err != nil {
			return err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.repeat = false
	return nil
}

// catchUp reads what stands in the control topic at the beginning of a term. Who
// leads without it would build another epoch of a number that there is already,
// or put one in force that is long replaced.
func (x *Exchange) catchUp(ctx context.Context, term int) error {
	_, err := x.o.Writer.Read(ctx, topic.Control, 0, 0, func(m kafka.Message) { x.take(ctx, m.Key, m.Value) })
	if err != nil {
		return fmt.Errorf("catch up: %w", err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.caughtUp = max(x.caughtUp, term)
	return nil
}

func (x *Exchange) writeSummaries(ctx context.Context) error {
	x.mu.Lock()
	pending := x.pending
	x.pending = make(map[source][]byte)
	x.mu.Unlock()
	for key, b := range pending {
		err := x.write(ctx, summaryKey(key), cloudevent.TypeSummary, b)
		if err != nil {
			return err // The next summary of the partition says all that this one did.
		}
		x.metrics.summaries.Add(ctx, 1)
	}
	return nil
}

// build merges a tenant's summaries into its next epoch, if that is due: a candidate
// until it is put in force.
func (x *Exchange) build(ctx context.Context, tenant string) error {
	x.mu.Lock()
	latest, active := x.latest[tenant], x.active[tenant]
	ref, _ := active.reference()
	previous := x.epochs[ref]
	built := latest // Of summaries: one that was gone back to is older than its number.
	for ref, e := range x.epochs {
		if ref.Tenant == tenant && e.Built > built.Built {
			built = e
		}
	}
	var sealed [][]byte
	for key, s := range x.summaries {
		if key.tenant == tenant {
			sealed = append(sealed, s.sealed)
		}
	}
	delete(x.changed, tenant)
	x.mu.Unlock()
	list := make([]*epoch.Summary, 0, len(sealed))
	for _, b := range sealed {
		s, err := epoch.DecodeSummary(b)
		if err != nil {
			return err
		}
		list = append(list, s)
	}
	if !due(built, list, x.o.Config.Every) {
		return nil
	}
	last := uint64(0)
	if latest != nil {
		last = latest.Number
	}
	e := epoch.BuildAfter(previous, last, list...)
	// The bytes are in the topic before anybody is told of them.
	err := x.store(ctx, e)
	if err != nil {
		return err
	}
	x.metrics.built.Add(ctx, 1)
	x.o.Logger.InfoContext(ctx, "shared epoch built", "tenant", tenant, "number", e.Number, "digest", e.Digest(), "partitions", len(list))
	return x.prune(ctx, tenant, e.Number)
}

// due reports whether a tenant's partitions together should have another epoch.
func due(previous *epoch.Epoch, list []*epoch.Summary, every time.Duration) bool {
	whole, now := sequence.NewShared(), int64(0)
	for _, s := range list {
		whole.Merge(s.Sequence)
		now = max(now, s.At)
	}
	return epoch.Due(previous, whole, now, every)
}

// activate tells every requests partition of an epoch.
func (x *Exchange) activate(ctx context.Context, ref epoch.Reference) error {
	ev := ref.Control()
	envelope, err := x.o.Signer.Control(payloadOf(ref))
	if err != nil {
		return fmt.Errorf("sign the control record of epoch %d: %w", ref.Number, err)
	}
	ev.Attributes[attributeEnvelope], ev.Time = string(envelope), timestamppb.New(x.o.Now())
	value, err := event.Append(nil, ev)
	if err != nil {
		return fmt.Errorf("encode the control record of epoch %d: %w", ref.Number, err)
	}
	n, err := x.o.Writer.Partitions(ctx, topic.Requests)
	if err != nil {
		return fmt.Errorf("activate epoch %d: %w", ref.Number, err)
	}
	headers := cloudevent.Attributes{
		ID: ev.Id, Source: "vigil-analyzer", Type: cloudevent.TypeRequest, Time: ev.Time.AsTime(), ContentType: cloudevent.Protobuf,
	}.Headers()
	for i := range n {
		err = x.o.Writer.Write(ctx, topic.Requests, i, announce.Record{Key: epochKey(ref), Value: value, Headers: headers})
		if err != nil {
			return fmt.Errorf("activate epoch %d: %w", ref.Number, err)
		}
	}
	return nil
}

// prune takes the epochs out of the topic that no retained record names, the oldest
// candidates among them.
func (x *Exchange) prune(ctx context.Context, tenant string, number uint64) error {
	x.mu.Lock()
	active := x.active[tenant]
	var old []epoch.Reference
	for ref := range x.epochs {
		if ref.Tenant == tenant && ref.Number+keptMax <= number && !active.names(ref) {
			old = append(old, ref)
		}
	}
	x.mu.Unlock()
	for _, ref := range old {
		err := x.write(ctx, epochKey(ref), cloudevent.TypeEpoch, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *Exchange) write(ctx context.Context, key []byte, kind string, value []byte) error {
	err := x.o.Writer.Write(ctx, topic.Control, 0, announce.Record{Key: key, Value: value, Headers: cloudevent.Attributes{
		ID: strings.ReplaceAll(string(key), "\x00", "/"), Source: "vigil-analyzer", Type: kind, Time: x.o.Now(), ContentType: cloudevent.Octets,
	}.Headers()})
	if err != nil {
		return fmt.Errorf("write to %s: %w", topic.Control, err)
	}
	return nil
}
