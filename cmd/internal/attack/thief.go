package attack

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-gateway/vigil/cmd/internal/people"
	"github.com/vigil-gateway/vigil/schemas/event"
)

const (
	// thiefMost is where a thief has seen everything.
	thiefMost = 2000
	// streams is how many downloads he holds at once, streamBytes of what size.
	streams     = 50
	streamBytes = 256 << 20
)

// elsewhere is a thief with an owner's token, in another country and with an
// agent of his own. His first request is what a person would call suspicious.
func (c *Campaign) elsewhere(r *round, o *owner, agent string) *intruder {
	from := c.options.Population.World.Abroad(r.rand, o.visit.Spot.Network)
	r.From = from.Network.City + ", " + from.Network.Country
	return newIntruder(r, people.NewClient(c.options.Gateway, from, agent, o.token, &c.ledger))
}

// thief has another browser than the owner.
func (c *Campaign) thief(ctx context.Context, r *round) error {
	return c.read(ctx, r, func(o *owner) string { return people.OtherAgent(r.rand, o.visit.Agent) })
}

// thiefAlike has the owner's, to the version.
func (c *Campaign) thiefAlike(ctx context.Context, r *round) error {
	return c.read(ctx, r, func(o *owner) string { return o.visit.Agent })
}

// read reads what there is, one request after the other.
func (c *Campaign) read(ctx context.Context, r *round, agent func(*owner) string) error {
	o, err := c.atWork(ctx, r)
	if err != nil {
		return err
	}
	defer o.goHome()
	c.turn.Lock()
	defer c.turn.Unlock()
	x := c.elsewhere(r, o, agent(o))
	defer x.client.Close()
	paths := []string{"/", "/me", "/accounts"}
	for _, id := range o.person.Accounts {
		paths = append(paths, "/accounts/"+id)
	}
	n := -1
	err = x.pressFor(ctx, thiefMost, func() people.Step {
		n++
		return people.Step{Method: http.MethodGet, Path: paths[n%len(paths)], Status: http.StatusOK}
	}, atOnce)
	r.Figure = float64(r.Served)
	return err
}

// thiefStreams downloads as much as possible at once.
func (c *Campaign) thiefStreams(ctx context.Context, r *round) error {
	o, err := c.atWork(ctx, r)
	if err != nil {
		return err
	}
	defer o.goHome()
	c.turn.Lock()
	defer c.turn.Unlock()
	x := c.elsewhere(r, o, people.OtherAgent(r.rand, o.visit.Agent))
	defer x.client.Close()
	err = x.flood(ctx, streams, streamBytes)
	r.Figure = float64(r.Served)
	return err
}

// flood holds n downloads at once and begins each anew until the door stays
// shut for all.
func (x *intruder) flood(ctx context.Context, n, bytes int) error {
	ctx, cancel := context.WithTimeout(ctx, attackMax)
	defer cancel()
	group, running := errgroup.WithContext(ctx)
	var mu sync.Mutex
	stopped := 0
	for range n {
		group.Go(func() error {
			step := people.Step{
				Method: http.MethodGet, Path: "/download", Query: url.Values{"bytes": {strconv.Itoa(bytes)}},
				Stream: event.StreamDownload, Lasts: attackMax, Status: http.StatusOK,
			}
			for shut := 0; shut <= knocks; {
				got, err := x.ask(running, &step)
				switch {
				case err != nil || got == over:
					return err
				case got == refused || got == cut:
					shut++
				default:
					shut = 0
				}
				if got != served && !people.Sleep(running, knockEvery) {
					return nil
				}
			}
			mu.Lock()
			defer mu.Unlock()
			stopped++
			return nil
		})
	}
	err := group.Wait()
	x.round.Stopped = stopped == n
	return err
}
