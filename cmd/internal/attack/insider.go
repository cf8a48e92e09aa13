package attack

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/people"
	"github.com/vigil-gateway/vigil/deploy/devstack/upstream"
	"github.com/vigil-gateway/vigil/schemas/event"
)

const (
	// walkMost is how many ids a walk asks for at most.
	walkMost = 200
	// fileBytes is the size of a file worth carrying off, files how many at once.
	fileBytes = 2 << 30
	files     = 4
	// takeoverMost is how many pages an intruder looks at, takeoverMax for how
	// long at most.
	takeoverMost = 200
	takeoverMax  = 6 * time.Minute
	// deskFree is how long after the owner somebody sits down.
	deskFree = 3 * time.Second
	// takeoverThink is the median pause of somebody in a hurry.
	takeoverThink = 1200 * time.Millisecond
)

// desk is an intruder where the owner is, with all that he has.
func desk(r *round, o *owner) *intruder {
	r.From = "own desk in " + o.visit.Spot.Network.City
	return newIntruder(r, o.client)
}

// walk opens one account after the other. Every id counts.
func (c *Campaign) walk(ctx context.Context, r *round) error {
	o, err := c.atWork(ctx, r)
	if err != nil {
		return err
	}
	defer o.goHome()
	x := desk(r, o)
	id := upstream.AccountFirst + r.rand.IntN(upstream.AccountLast-upstream.AccountFirst-walkMost)
	err = x.pressFor(ctx, walkMost, func() people.Step {
		id++
		return people.Step{Method: http.MethodGet, Path: "/accounts/" + strconv.Itoa(id), Status: http.StatusOK}
	}, func() time.Duration { return time.Duration(100+r.rand.IntN(200)) * time.Millisecond })
	r.Figure = float64(r.Served)
	return err
}

// exfiltration carries off as much as it can. Every byte of the hour counts,
// the owner's own work included.
func (c *Campaign) exfiltration(ctx context.Context, r *round) error {
	o, err := c.atWork(ctx, r)
	if err != nil {
		return err
	}
	defer o.goHome()
	r.Usual = usualHour(c.options.Population, o.person)
	if r.Usual == 0 {
		return fmt.Errorf("%s has no history", o.person.Name)
	}
	c.turn.Lock()
	defer c.turn.Unlock()
	err = desk(r, o).flood(ctx, files, fileBytes)
	r.Figure = float64(r.Bytes+o.bytes.Load()) / float64(r.Usual)
	return err
}

// takeover sits down when the owner has left. His first request is the one that
// a person who could see the desk would call suspicious.
func (c *Campaign) takeover(ctx context.Context, r *round) error {
	o, err := c.atWork(ctx, r)
	if err != nil {
		return err
	}
	defer o.goHome()
	o.leave()
	<-o.left
	if !people.Sleep(ctx, deskFree) {
		return ctx.Err()
	}
	x := desk(r, o)
	ctx, cancel := context.WithTimeout(ctx, takeoverMax)
	defer cancel()
	err = x.press(ctx, takeoverMost, func() people.Step { return greedy(r.rand) }, func() time.Duration {
		return people.Pause(r.rand, takeoverThink)
	})
	r.Figure = float64(r.Served)
	return err
}

// greedy is what somebody does who wants to take things with him and does not
// know his way: each page as likely as any other, reports four times as likely,
// and he hardly leaves anything behind.
func greedy(r *rand.Rand) people.Step {
	page := func(path string) people.Step {
		return people.Step{Method: http.MethodGet, Path: path, Status: http.StatusOK}
	}
	switch x := r.Float64() * 8.1; {
	case x < 1:
		return page("/")
	case x < 2:
		return page("/me")
	case x < 3:
		return page("/accounts")
	case x < 4:
		return page("/accounts/" + strconv.Itoa(upstream.AccountFirst+r.IntN(upstream.AccountLast-upstream.AccountFirst)))
	case x < 8:
		s := page("/download")
		s.Query = url.Values{"bytes": {strconv.Itoa(40000 + r.IntN(60000))}}
		s.Stream, s.Lasts = event.StreamDownload, attackMax
		return s
	}
	return people.Step{Method: http.MethodPost, Path: "/upload", Form: url.Values{"note": {"hello"}}, Status: http.StatusOK}
}
