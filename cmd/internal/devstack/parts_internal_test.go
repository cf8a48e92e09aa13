package devstack

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPartsStopBackwards checks the order, and that an error of one does not keep the others running.
func TestPartsStopBackwards(t *testing.T) {
	p := newParts(slog.New(slog.DiscardHandler))
	var order []string
	broken := errors.New("broken")
	for _, name := range []string{"first", "second", "third"} {
		p.add(name, func() error {
			order = append(order, name)
			if name == "second" {
				return broken
			}
			return nil
		})
	}
	err := p.stop()
	if !errors.Is(err, broken) {
		t.Errorf("stop: %v, want %v", err, broken)
	}
	if want := []string{"third", "second", "first"}; !slices.Equal(order, want) {
		t.Errorf("stopped in order %v, want %v", order, want)
	}
}

// TestPartThatEndsByItself checks that it is noticed, and that one that was asked is not.
func TestPartThatEndsByItself(t *testing.T) {
	p := newParts(slog.New(slog.DiscardHandler))
	p.run("asked", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	err := p.stop()
	if err != nil {
		t.Errorf("stop: %v", err)
	}
	broken := errors.New("broken")
	p.run("itself", func(context.Context) error { return broken })
	err = <-p.failed
	if !errors.Is(err, broken) {
		t.Errorf("failed: %v, want %v", err, broken)
	}
}

// TestASlowPartIsNamed checks that who waits is told for what, and nobody who does not.
func TestASlowPartIsNamed(t *testing.T) {
	told, words := io.Pipe()
	logger := slog.New(slog.NewTextHandler(words, nil))
	sayLater(logger, "directory", time.Hour).Stop()
	sayLater(logger, "clickhouse", time.Nanosecond)
	line, err := bufio.NewReader(told).ReadString('\n')
	if err != nil || !strings.Contains(line, "part=clickhouse") {
		t.Errorf("said %q, error %v", line, err)
	}
}
