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
	for {
		select {
		case <-ctx.Done():
			return
		case <-due.C:
		}
		err := x.Tend(ctx)
		if err != nil && ctx.Err() == nil {
			x.fault(ctx, "tend", err)
		}
	}
}

// Tend writes the summaries that are pending and, where this process leads, the
// epochs that are due. [Exchange.Run] does it every few seconds.
func (x *Exchange) Tend(ctx context.Context) error {
	err := x.writeSummaries(ctx)
	if err != nil {
		return err
	}
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
	x.mu.Lock()
	repeat := x.repeat
	tenants := slices.Sorted(maps.Keys(x.changed))
	known := slices.Sorted(maps.Keys(x.latest))
	x.mu.Unlock()
	if repeat {
		for _, tenant := range known {
			err = x.activate(ctx, x.last(tenant))
			if err != nil {
				return err
			}
		}
		x.mu.Lock()
		x.repeat = false
		x.mu.Unlock()
	}
	for _, tenant := range tenants {
		err = x.build(ctx, tenant)
		if err != nil {
			return fmt.Errorf("tenant %q: %w", tenant, err)
		}
	}
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

func (x *Exchange) last(tenant string) *epoch.Epoch {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.latest[tenant]
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

// build merges a tenant's summaries into its next epoch, if that is due, and
// activates it.
func (x *Exchange) build(ctx context.Context, tenant string) error {
	x.mu.Lock()
	previous := x.latest[tenant]
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
	if !due(previous, list, x.o.Config.Every) {
		return nil
	}
	e := epoch.Build(previous, list...)
	// The bytes are in the topic before anybody is told of them.
	err := x.write(ctx, epochKey(e.Reference()), cloudevent.TypeEpoch, e.Encode())
	if err != nil {
		return err
	}
	err = x.takeEpoch(tenant, e.Encode())
	if err != nil {
		return err
	}
	x.metrics.built.Add(ctx, 1)
	x.o.Logger.InfoContext(ctx, "shared epoch built", "tenant", tenant, "number", e.Number, "digest", e.Digest(), "partitions", len(list))
	err = x.activate(ctx, e)
	if err != nil {
		return err
	}
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
func (x *Exchange) activate(ctx context.Context, e *epoch.Epoch) error {
	ref := e.Reference()
	ev := ref.Control()
	envelope, err := x.o.Signer.Control(payloadOf(ref))
	if err != nil {
		return fmt.Errorf("sign the control record of epoch %d: %w", e.Number, err)
	}
	ev.Attributes[attributeEnvelope], ev.Time = string(envelope), timestamppb.New(x.o.Now())
	value, err := event.Append(nil, ev)
	if err != nil {
		return fmt.Errorf("encode the control record of epoch %d: %w", e.Number, err)
	}
	n, err := x.o.Writer.Partitions(ctx, topic.Requests)
	if err != nil {
		return fmt.Errorf("activate epoch %d: %w", e.Number, err)
	}
	headers := cloudevent.Attributes{
		ID: ev.Id, Source: "vigil-analyzer", Type: cloudevent.TypeRequest, Time: ev.Time.AsTime(), ContentType: cloudevent.Protobuf,
	}.Headers()
	for i := range n {
		err = x.o.Writer.Write(ctx, topic.Requests, i, announce.Record{Key: epochKey(ref), Value: value, Headers: headers})
		if err != nil {
			return fmt.Errorf("activate epoch %d: %w", e.Number, err)
		}
	}
	return nil
}

// prune takes the epochs out of the topic that no retained record names.
func (x *Exchange) prune(ctx context.Context, tenant string, number uint64) error {
	x.mu.Lock()
	var old []epoch.Reference
	for ref := range x.epochs {
		if ref.Tenant == tenant && ref.Number+keptMax <= number {
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
