package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// ReloaderOptions are what a [Reloader] depends on; all but Interval are required.
type ReloaderOptions[T any] struct {
	// Load reads all sources again.
	Load func() (Loaded[T], error)
	// Swap puts a valid configuration in force as a whole. An error means that
	// nothing has changed.
	Swap func(ctx context.Context, next T) error
	// Files are looked at for a change of time or size; usually Loaded.Files.
	Files []string
	// Signals asks for a reload, usually SIGHUP.
	Signals <-chan os.Signal
	// Interval is the pause between two looks; 0 is 5 s.
	Interval time.Duration
	Logger   *slog.Logger
	Meter    metric.Meter
}

// Reloader replaces a running configuration when it is asked to or when a
// file changes. What is wrong is logged and counted, and changes nothing.
type Reloader[T any] struct {
	o       ReloaderOptions[T]
	reloads metric.Int64Counter

	inForce string // Stamps of the files as they were when they were read.
}

// NewReloader returns a reloader that does nothing until Run. A change of the
// files is one since this call.
func NewReloader[T any](o ReloaderOptions[T]) (*Reloader[T], error) {
	if o.Interval == 0 {
		o.Interval = reloadIntervalDefault
	}
	reloads, err := o.Meter.Int64Counter("vigil.config.reloads",
		metric.WithDescription("Reloads of the configuration by result: applied, rejected or failed."), metric.WithUnit("{reload}"))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return &Reloader[T]{o: o, reloads: reloads, inForce: stamps(o.Files)}, nil
}

// Run reloads until ctx ends, and then returns nil. Files are compared by time
// and size on every tick, which also sees a Kubernetes ConfigMap's symlink
// move; a file that is being written is read once it rests for one tick.
func (r *Reloader[T]) Run(ctx context.Context) error {
	tick := time.NewTicker(r.o.Interval)
	defer tick.Stop()
	last := r.inForce
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.o.Signals:
			r.inForce = stamps(r.o.Files)
			r.reload(ctx, "signal")
		case <-tick.C:
			now := stamps(r.o.Files)
			if now != r.inForce && now == last {
				r.inForce = now
				r.reload(ctx, "file")
			}
			last = now
		}
	}
}

func (r *Reloader[T]) reload(ctx context.Context, why string) {
	next, err := r.o.Load()
	if err != nil {
		r.reloads.Add(ctx, 1, metric.WithAttributes(attribute.String("result", "rejected")))
		faults, ok := errors.AsType[Faults](err)
		if !ok {
			r.o.Logger.ErrorContext(ctx, "configuration not read, the old one stays in force", "why", why, "error", err)
			return
		}
		for _, f := range faults {
			r.o.Logger.ErrorContext(ctx, "configuration rejected, the old one stays in force", "why", why, "fault", f.String())
		}
		return
	}
	err = r.o.Swap(ctx, next.Config)
	if err != nil {
		r.reloads.Add(ctx, 1, metric.WithAttributes(attribute.String("result", "failed")))
		r.o.Logger.ErrorContext(ctx, "configuration not applied, the old one stays in force", "why", why, "error", err)
		return
	}
	if !slices.Equal(r.o.Files, next.Files()) {
		r.o.Files = next.Files()
		r.inForce = stamps(r.o.Files)
	}
	r.reloads.Add(ctx, 1, metric.WithAttributes(attribute.String("result", "applied")))
	r.o.Logger.InfoContext(ctx, "configuration reloaded", "why", why)
}

// stamps is a comparable picture of files: what changes when one of them does.
func stamps(files []string) string {
	var all strings.Builder
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			all.WriteString(name + " absent\n")
			continue
		}
		fmt.Fprintf(&all, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
	}
	return all.String()
}
