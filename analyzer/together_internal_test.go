package analyzer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
)

// Parts end together, the first fault ends all, and who does not end is named and given up.
func TestPartsEndTogether(t *testing.T) {
	ends := func(ctx context.Context) error { <-ctx.Done(); return nil }
	fault := errors.New("fault")
	for name, tt := range map[string]struct {
		part    func(ctx context.Context, hangs <-chan struct{}) error
		stopped bool // From without.
		want    error
		says    string
	}{
		"all end":         {part: func(ctx context.Context, _ <-chan struct{}) error { return ends(ctx) }, stopped: true},
		"one fails":       {part: func(context.Context, <-chan struct{}) error { return fault }, want: fault},
		"one is slow":     {part: func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); time.Sleep(time.Second); return nil }, stopped: true},
		"one never ends":  {part: func(_ context.Context, hangs <-chan struct{}) error { <-hangs; return nil }, stopped: true, want: ErrHangs, says: "odd: "},
		"one ends before": {part: func(context.Context, <-chan struct{}) error { return nil }, stopped: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.stopped {
					time.AfterFunc(time.Minute, cancel)
				}
				hangs := make(chan struct{})
				defer close(hangs)
				err := together(ctx, 2*time.Second, map[string]func(context.Context) error{
					"even": ends, "odd": func(ctx context.Context) error { return tt.part(ctx, hangs) },
				})
				if !errors.Is(err, tt.want) || err != nil && !strings.HasPrefix(err.Error(), tt.says) {
					t.Errorf("together() = %v, want %v", err, tt.want)
				}
			})
		})
	}
}
