package telemetry

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// NewLogger is a log of its own, for what runs before or without [Setup]. A
// level that Validate refuses counts as info.
func NewLogger(w io.Writer, l Log) *slog.Logger {
	level, err := l.level()
	if err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if l.Format == FormatText {
		return slog.New(traced{slog.NewTextHandler(w, o)})
	}
	o.ReplaceAttr = readable
	return slog.New(traced{slog.NewJSONHandler(w, o)})
}

// readable writes a duration as text does, such as 1.5s: the JSON handler's own form
// is a number of nanoseconds that does not say what it counts.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// traced adds the ids of the context's span to every record, so that a line
// of the log leads to its trace.
type traced struct{ slog.Handler }

// Handle implements [slog.Handler].
func (h traced) Handle(ctx context.Context, r slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }

// WithGroup implements [slog.Handler].
func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }

// complaints takes the SDK's errors: a collector that is down would otherwise
// fill the log, one line per export.
type complaints struct {
	logger *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	last   time.Time
	silent int // Errors since last that were not logged.
}

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	now := c.now()
	if !c.last.IsZero() && now.Sub(c.last) < complaintEvery {
		c.silent++
		c.mu.Unlock()
		return
	}
	silent := c.silent
	c.last, c.silent = now, 0
	c.mu.Unlock()
	c.logger.Warn("telemetry not delivered", "error", err, "not_logged", silent)
}
