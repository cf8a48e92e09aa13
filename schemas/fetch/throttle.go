package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Read reads once. The error is that of ctx or the transport, or wraps the
// [kafka.Error] that the broker gives, such as OffsetOutOfRange, or [ErrAnswer],
// [ErrFormat] or [ErrChecksum].
func (r *Reader) Read(ctx context.Context, q Request) (Answer, error) {
	a, err := r.once(ctx, q)
	held, ok := errors.AsType[*heldBackError](err)
	if ok {
		return Answer{Next: q.Offset, End: endUnknown, Throttle: held.by}, nil
	}
	return a, err
}

// endUnknown is the end of a partition of which a broker that holds back says nothing.
const endUnknown = -1

// heldBackError is the answer of a broker that holds back. It is an error so that
// kafka-go closes the connection: the broker answers nothing more on it for that long,
// and whoever got it next, with whatever request, would wait, too.
type heldBackError struct{ by time.Duration }

func (e *heldBackError) Error() string { return fmt.Sprintf("the broker holds back for %v", e.by) }

// patient is an exchange that tells an answer of a broker that holds back from others.
type patient exchange

// Required is that of [exchange].
func (p *patient) Required(versions map[protocol.ApiKey]int16) bool {
	return (*exchange)(p).Required(versions)
}

// RawExchange is that of [exchange], and a heldBackError.
func (p *patient) RawExchange(conn io.ReadWriter) (protocol.Message, error) {
	m, err := (*exchange)(p).RawExchange(conn)
	in, ok := m.(*raw)
	if ok && err == nil {
		if by := in.heldBack(); by > 0 {
			return nil, &heldBackError{by}
		}
	}
	return m, err
}

// heldBack is how long the broker will answer nothing, where it gives no partition for
// that reason; else 0.
//
// Source: KIP-219, "Improve quota communication".
func (in *raw) heldBack() time.Duration {
	c := cursor{b: in.body}
	by := time.Duration(c.int32()) * time.Millisecond
	if in.version >= 7 {
		code := kafka.Error(c.int16())
		c.skip(4) // The session, which is none.
		if code != 0 {
			return 0
		}
	}
	if topics := c.int32(); topics != 0 || c.short {
		return 0
	}
	return min(by, throttleMax)
}

// Throttle waits where brokers hold a reader back, and makes that seen; nil waits and
// says nothing. Safe for concurrent use.
type Throttle struct {
	clientID string
	logger   *slog.Logger
	waited   metric.Float64Counter

	mu     sync.Mutex
	unsaid time.Duration // What was waited since it was logged.
	quiet  bool          // That is not long ago.
}

// NewThrottle returns one for readers of a client id, whose metric is name.fetch_throttled.
func NewThrottle(name, clientID string, logger *slog.Logger, meter metric.Meter) (*Throttle, error) {
	waited, err := meter.Float64Counter(name+".fetch_throttled", metric.WithUnit("s"),
		metric.WithDescription("How long reads have waited because a broker's quota held them back, by topic."))
	if err != nil {
		return nil, fmt.Errorf("metrics of reading: %w", err)
	}
	return &Throttle{clientID: clientID, logger: logger, waited: waited}, nil
}

// Wait waits for [Answer.Throttle], or until ctx ends. It is logged once in
// throttleLogEvery.
func (t *Throttle) Wait(ctx context.Context, topic string, partition int, by time.Duration) {
	if by <= 0 {
		return
	}
	t.say(ctx, topic, partition, by)
	timer := time.NewTimer(by)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (t *Throttle) say(ctx context.Context, topic string, partition int, by time.Duration) {
	if t == nil {
		return
	}
	t.waited.Add(ctx, by.Seconds(), metric.WithAttributes(attribute.String("topic", topic)))
	if waited, due := t.due(by); due {
		t.logger.WarnContext(ctx, "a quota of the brokers holds reading back: raise consumer_byte_rate or request_percentage of this client id or user, or what is read lags",
			"client_id", t.clientID, "topic", topic, "partition", partition, "waits", by, "all_waited", waited)
	}
}

// due reports whether it is to be logged, and what was waited since it was.
func (t *Throttle) due(by time.Duration) (waited time.Duration, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unsaid += by
	if t.quiet {
		return 0, false
	}
	time.AfterFunc(throttleLogEvery, t.speak)
	waited, t.unsaid, t.quiet = t.unsaid, 0, true
	return waited, true
}

func (t *Throttle) speak() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.quiet = false
}

const (
	// throttleMax bounds what a broker may have a reader wait: its windows are of a
	// second, eleven of them by default.
	throttleMax = time.Minute
	// throttleLogEvery is the time between two lines in the log.
	throttleLogEvery = time.Minute
)
