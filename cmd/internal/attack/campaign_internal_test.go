package attack

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// blank are books in which nothing is written.
type blank struct{}

func (blank) Judged(context.Context) (map[string]bool, error) { return map[string]bool{}, nil }

func (blank) Stops(context.Context) (map[string]Stop, error) { return map[string]Stop{}, nil }

// TestRoundThatFailsIsOneRound plays rounds of which some cannot be played.
func TestRoundThatFailsIsOneRound(t *testing.T) {
	errBroken := errors.New("broken")
	tests := map[string]struct {
		fails  func(number int) error
		played int
		err    error
	}{
		"all are played":                         {func(int) error { return nil }, 3, nil},
		"one fails, and the others go on":        {func(n int) error { return map[int]error{1: errBroken}[n] }, 2, nil},
		"nobody is left for the last":            {func(n int) error { return map[int]error{3: ErrNobodyLeft}[n] }, 2, nil},
		"none can be played, and the first says": {func(n int) error { return fmt.Errorf("round %d: %w", n, ErrNobodyLeft) }, 0, ErrNobodyLeft},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			told := 0
			c := &Campaign{options: Options{Rounds: 3, Seed: 1, Books: blank{}, Progress: func(Round) { told++ }}}
			r, err := c.Run(t.Context(), Scenario{
				Name: "x", Promise: Promise{Most: 5}, beside: 2,
				play: func(_ *Campaign, _ context.Context, r *round) error {
					r.Figure = float64(r.Number)
					return tt.fails(r.Number)
				},
			})
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Fatalf("error is %v, want %v", err, tt.err)
			}
			if r.Played != tt.played || told != 3 {
				t.Errorf("%d rounds were played and %d told of, want %d and 3", r.Played, told, tt.played)
			}
			if r.Kept {
				t.Error("nobody was stopped, and the promise was kept")
			}
			for _, x := range r.Rounds {
				if (x.Failed != "") != (tt.fails(x.Number) != nil) {
					t.Errorf("round %d failed by %q", x.Number, x.Failed)
				}
			}
		})
	}
}

// TestCampaignEndsWithItsContext stops a campaign while it plays.
func TestCampaignEndsWithItsContext(t *testing.T) {
	gone := errors.New("the installation is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := &Campaign{options: Options{Rounds: 2, Seed: 1, Books: blank{}}}
	_, err := c.Run(ctx, Scenario{Name: "x", beside: 2, play: func(_ *Campaign, ctx context.Context, r *round) error {
		if r.Number == 2 {
			cancel(gone)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Minute):
			return nil
		}
	}})
	if !errors.Is(err, gone) {
		t.Errorf("error is %v, want %v", err, gone)
	}
}
