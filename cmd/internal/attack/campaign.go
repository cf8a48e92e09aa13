package attack

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-gateway/vigil/cmd/internal/people"
	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// minter is the part of the sample provider that signs people in.
type minter interface {
	Mint(c idp.Claims) string
}

// Books is what the installation wrote down.
type Books interface {
	// Judged returns every session, subject and address that a verdict of the
	// model has spoken of.
	Judged(ctx context.Context) (map[string]bool, error)
	// Stops returns the verdicts that ended something, by the id of their
	// target and by that of the session whose request was refused or cut.
	Stops(ctx context.Context) (map[string]Stop, error)
}

// Stop is the first verdict that ended something of a target.
type Stop struct {
	// Action is what it asked for, Signal its strongest evidence.
	Action, Signal string
	// EventToCut is from the offending event to the first request or stream that
	// it ended, both on the gateway's clock; 0 where it ended none.
	EventToCut time.Duration
}

// Options are what a [Campaign] depends on. All but Progress and TurnedAway are
// required.
type Options struct {
	// Gateway is its base URL.
	Gateway string
	// Population lives in the installation, and its history is known there.
	Population *people.Population
	Minter     minter
	Names      event.Names
	Issuer     string
	Books      Books
	// Seed decides who is attacked, from where and with what.
	Seed uint64
	// Rounds is how often a scenario runs, each time on somebody else.
	Rounds int
	// Progress hears of each round that has ended; nil is not interested.
	Progress func(Round)
	// TurnedAway hears at once of each honest person whom the gateway turned away
	// before anybody attacked him, and how; nil is not interested.
	TurnedAway func(Round, string)
}

// Campaign attacks the people of one installation.
type Campaign struct {
	options Options
	free    []*people.Person
	judged  map[string]bool
	ledger  people.Ledger

	mu   sync.Mutex
	turn sync.Mutex // Held by who attacks at full speed.
}

// New returns a campaign against those whom no verdict has spoken of yet.
func New(ctx context.Context, o Options) (*Campaign, error) {
	judged, err := o.Books.Judged(ctx)
	if err != nil {
		return nil, fmt.Errorf("attack: %w", err)
	}
	c := &Campaign{options: o, judged: judged}
	r := people.Random(o.Seed, "victims", 0)
	for _, i := range r.Perm(len(o.Population.People)) {
		u := o.Population.People[i]
		if !judged[o.Names.Subject(o.Issuer, u.Name)] {
			c.free = append(c.free, u)
		}
	}
	return c, nil
}

// ErrNobodyLeft means that everybody was attacked already.
var ErrNobodyLeft = errors.New("everybody here has been attacked already")

// victim is somebody whom nobody has attacked.
func (c *Campaign) victim() (*people.Person, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.free) == 0 {
		return nil, ErrNobodyLeft
	}
	u := c.free[0]
	c.free = c.free[1:]
	return u, nil
}

// server is a rented server that nobody has used, so that nothing is known of
// its address.
func (c *Campaign) server(r *rand.Rand) people.Spot {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		s := c.options.Population.World.Server(r)
		if !c.judged[s.Address.String()] {
			c.judged[s.Address.String()] = true
			return s
		}
	}
}

// round is one attack while it runs.
type round struct {
	Round

	scenario Scenario
	rand     *rand.Rand
	targets  []string // Ids by which the books know what was attacked.
}

// roundMax bounds a round, so that one which never ends does not keep the others'
// figures: the longest, with every owner turned away, takes eight minutes.
const roundMax = 12 * time.Minute

// Run plays a scenario as often as was asked. A round that cannot be played says
// why, and the others go on. The error is that of ctx, of the books, or, where no
// round could be played, of the first; it wraps [ErrNobodyLeft] where nobody was
// left for that.
func (c *Campaign) Run(ctx context.Context, s Scenario) (Report, error) {
	rounds := make([]*round, c.options.Rounds)
	failed := make([]error, c.options.Rounds)
	var group errgroup.Group
	group.SetLimit(s.beside)
	for i := range rounds {
		r := &round{scenario: s, rand: people.Random(c.options.Seed, s.Name, i)}
		r.Scenario, r.Number = s.Name, i+1
		rounds[i] = r
		group.Go(func() error {
			failed[i] = c.playOne(ctx, s, r)
			return nil
		})
	}
	_ = group.Wait() // What failed says so.
	if ctx.Err() != nil {
		return Report{}, context.Cause(ctx)
	}
	if !slices.Contains(failed, nil) {
		return Report{}, fmt.Errorf("attack: %s: round 1: %w", s.Name, failed[0])
	}
	err := c.look(ctx, rounds)
	if err != nil {
		return Report{}, err
	}
	return newReport(s, rounds), nil
}

// playOne plays one round, and tells of it.
func (c *Campaign) playOne(ctx context.Context, s Scenario, r *round) error {
	playing, cancel := context.WithTimeout(ctx, roundMax)
	defer cancel()
	err := s.play(c, playing, r)
	if err == nil {
		err = playing.Err()
	}
	if err != nil {
		r.Failed = err.Error()
	}
	if c.options.Progress != nil && ctx.Err() == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.options.Progress(r.Round)
	}
	return err
}

const (
	// settleMax bounds the wait for the books, lookEvery is the pause between two looks.
	settleMax = 15 * time.Second
	lookEvery = 250 * time.Millisecond
)

// look reads out of the books why each was stopped; they are written a little
// later.
func (c *Campaign) look(ctx context.Context, rounds []*round) error {
	deadline := time.Now().Add(settleMax)
	for {
		stops, err := c.options.Books.Stops(ctx)
		if err != nil {
			return fmt.Errorf("attack: %w", err)
		}
		missing := 0
		for _, r := range rounds {
			if r.Stopped && r.Failed == "" && !r.explain(stops) {
				missing++
			}
		}
		if missing == 0 || time.Now().After(deadline) || !people.Sleep(ctx, lookEvery) {
			return ctx.Err()
		}
	}
}

// explain notes what stopped the attack, and reports whether the books know.
func (r *round) explain(stops map[string]Stop) bool {
	for _, id := range r.targets {
		s, known := stops[id]
		if known && s.EventToCut > 0 {
			r.Action, r.Signal, r.EventToCutMS = s.Action, s.Signal, float64(s.EventToCut.Microseconds())/1000
			return true
		}
	}
	return false
}
