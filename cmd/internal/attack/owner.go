package attack

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/people"
)

// owner is a person at work, who was there before the attack.
type owner struct {
	person *people.Person
	visit  people.Visit
	token  string
	client *people.Client

	bytes   atomic.Uint64 // What he was sent.
	refused atomic.Bool
	leave   context.CancelFunc
	at      chan struct{} // Closed with his first signed-in answer.
	left    chan struct{}
}

// atWork signs somebody in, and returns when he has worked for the scenario's
// warm-up, and used his token: who mistypes his password comes to that later. He
// works on until leave.
func (c *Campaign) atWork(ctx context.Context, r *round) (*owner, error) {
	u, err := c.victim()
	if err != nil {
		return nil, err
	}
	o := &owner{person: u, at: make(chan struct{}), left: make(chan struct{})}
	o.visit = c.options.Population.Visit(r.rand, u, time.Now())
	o.token = c.options.Minter.Mint(o.visit.Claims(time.Now()))
	o.client = people.NewClient(c.options.Gateway, o.visit.Spot, o.visit.Agent, o.token, &c.ledger)
	r.Victim = u.Name
	r.targets = []string{
		c.options.Names.Session(c.options.Issuer, o.visit.SessionID),
		c.options.Names.Token(c.options.Issuer, o.visit.TokenID()),
		c.options.Names.Subject(c.options.Issuer, u.Name),
	}
	working, leave := context.WithCancel(ctx)
	o.leave = leave
	go func() {
		defer close(o.left)
		began := sync.OnceFunc(func() { close(o.at) })
		o.visit.Play(working, func(ctx context.Context, s *people.Step) bool {
			a, err := o.client.Do(ctx, s)
			o.bytes.Add(a.Bytes)
			if err != nil || a.Refused() {
				o.refused.Store(true)
			} else if !s.Anonymous {
				began()
			}
			return err == nil && !a.Refused()
		})
	}()
	if !people.Sleep(ctx, r.scenario.warmUp) {
		o.goHome()
		return nil, ctx.Err()
	}
	select {
	case <-o.at:
	case <-o.left:
	}
	if o.refused.Load() {
		o.goHome()
		return nil, fmt.Errorf("%s was refused before anybody attacked", u.Name)
	}
	return o, nil
}

// goHome ends the owner's visit; the session stays.
func (o *owner) goHome() {
	o.leave()
	<-o.left
	o.client.Close()
}

// usualHour is the p99 of bytes that a person was sent in an hour of his
// history in which he was there.
func usualHour(p *people.Population, u *people.Person) uint64 {
	hours := make(map[time.Time]float64)
	for _, v := range p.Past(u) {
		at := v.Start
		for i := range v.Steps {
			at = at.Add(v.Steps[i].Wait)
			hours[at.Add(v.Steps[i].Lasts).Truncate(time.Hour)] += float64(v.Steps[i].BytesOut)
		}
	}
	var bytes []float64
	for _, n := range hours {
		bytes = append(bytes, n)
	}
	slices.Sort(bytes)
	return uint64(quantile(bytes, 0.99))
}
