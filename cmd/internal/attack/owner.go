package attack

import (
	"context"
	"fmt"
	"slices"
	"strings"
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

	bytes   atomic.Uint64          // What he was sent.
	refusal atomic.Pointer[string] // How he was turned away, nil while he is not.
	leave   context.CancelFunc
	at      chan struct{} // Closed with his first signed-in answer.
	left    chan struct{}
}

// turnedAwayMax bounds how many honest people may be turned away before one round.
const turnedAwayMax = 3

// atWork finds somebody who works. Whom the gateway turns away before anybody
// attacked is a false alarm of its own, and noted as that.
func (c *Campaign) atWork(ctx context.Context, r *round) (*owner, error) {
	for {
		u, err := c.victim()
		if err != nil {
			return nil, err
		}
		o, err := c.signIn(ctx, r, u)
		if err != nil {
			return nil, err
		}
		refusal := o.refusal.Load()
		if refusal == nil {
			return o, nil
		}
		o.goHome()
		r.TurnedAway = append(r.TurnedAway, u.Name+": "+*refusal)
		if c.options.TurnedAway != nil {
			c.mu.Lock()
			c.options.TurnedAway(r.Round, u.Name+": "+*refusal)
			c.mu.Unlock()
		}
		if len(r.TurnedAway) > turnedAwayMax {
			return nil, fmt.Errorf("nobody can work here, all are turned away before anybody attacked: %s", strings.Join(r.TurnedAway, "; "))
		}
	}
}

// signIn signs u in, and returns when he has worked for the scenario's warm-up,
// and used his token: who mistypes his password comes to that later. He works on
// until leave.
func (c *Campaign) signIn(ctx context.Context, r *round, u *people.Person) (*owner, error) {
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
				how := a.String()
				if err != nil {
					how = err.Error()
				}
				o.refusal.CompareAndSwap(nil, &how)
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
