package ingest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

const (
	// silentAfter is how long a gateway that ticks every second may be silent before
	// its epoch counts as closed. It is told, and changes no score: the scorer
	// weighs silence by the stream's clock.
	silentAfter = 30 * time.Second
	// livesMax bounds the epochs that are followed.
	livesMax = 8192
)

// How an epoch ends.
const (
	closedByGateway   = "gateway"   // It has said so itself, when it came back.
	closedBySuccessor = "successor" // A later epoch of the gateway ticks.
	closedByTimeout   = "timeout"   // Nothing came for silentAfter.
)

// epochOf is one life of a gateway.
type epochOf struct {
	gateway string
	epoch   uint64
}

// lives follow which gateways of a partition tick, for metrics and the log; the lasting
// record is made by storing. They belong to its worker.
type lives struct{ last map[epochOf]time.Time }

// tick notes a sign of life, and the lives that end by it; closing is the last one
// of its epoch.
func (l *lives) tick(of epochOf, closing bool, now time.Time, ended func(epochOf, string)) {
	if closing {
		if _, known := l.last[of]; known {
			delete(l.last, of)
			ended(of, closedByGateway)
		}
		return
	}
	if _, known := l.last[of]; known {
		l.last[of] = now
		return
	}
	for other := range l.last {
		if other.gateway == of.gateway {
			delete(l.last, other)
			ended(other, closedBySuccessor)
		}
	}
	if l.last == nil {
		l.last = make(map[epochOf]time.Time)
	}
	if len(l.last) < livesMax {
		of.gateway = strings.Clone(of.gateway) // The event is used again.
		l.last[of] = now
	}
}

// silent ends the lives that have not ticked for silentAfter. read is until when
// the partition is known to hold nothing new.
func (l *lives) silent(read time.Time, ended func(epochOf, string)) {
	for _, of := range slices.SortedFunc(maps.Keys(l.last), func(a, b epochOf) int { return strings.Compare(a.gateway, b.gateway) }) {
		if read.Sub(l.last[of]) >= silentAfter {
			delete(l.last, of)
			ended(of, closedByTimeout)
		}
	}
}

// ended tells of a life that is over.
func (w *worker) ended(ctx context.Context) func(epochOf, string) {
	return func(of epochOf, how string) {
		w.ingest.metrics.closed.Add(ctx, 1, metric.WithAttributes(attribute.String("by", how)))
		if how == closedByTimeout {
			w.ingest.o.Logger.WarnContext(ctx, "gateway is silent, its epoch counts as closed", "gateway", of.gateway, "epoch", of.epoch,
				"partition", w.partition, "after", silentAfter)
		}
	}
}
