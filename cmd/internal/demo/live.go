package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/people"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// stay is one live visit with what became of it, as its own client saw it.
type stay struct {
	visit  people.Visit
	token  string
	client *people.Client

	mu          sync.Mutex
	started     bool
	compromised bool     // Its token was stolen.
	interrupted *mishap  // The first thing that should not have happened.
	open        []string // Kinds of stream that are held now.
}

// mishap is an honest client's complaint.
type mishap struct {
	step   people.Step
	answer people.Answer
}

func (m *mishap) String() string {
	return fmt.Sprintf("%s %s: status %d %s %s %s", m.step.Method, m.step.Path, m.answer.Status, m.answer.Code, m.answer.Reason, m.answer.Support)
}

// crowd runs the live visits of ordinary people.
type crowd struct {
	demo *run

	mu    sync.Mutex
	stays []*stay
}

// signedIn returns a token for a person's visit, as the sample provider gives
// it after a sign-in.
func (d *run) signedIn(v *people.Visit) string {
	d.roster.add(d.names.Session(d.issuer, v.SessionID), v.Person.Name)
	d.roster.add(d.names.Subject(d.issuer, v.Person.Name), v.Person.Name)
	d.roster.add(d.names.Token(d.issuer, v.TokenID()), v.Person.Name)
	return d.idp.Mint(v.Claims(time.Now()))
}

// live makes a person come again and again until ctx is done.
func (c *crowd) live(ctx context.Context, i int, u *people.Person) {
	r := people.Random(c.demo.options.Seed, "live", i)
	wait := time.Duration(r.Int64N(int64(arrival)))
	for people.Sleep(ctx, wait) {
		s := c.begin(r, u)
		s.visit.Play(ctx, func(ctx context.Context, step *people.Step) bool { return c.step(ctx, s, step) })
		s.client.Close()
		wait = time.Duration(5+r.IntN(20)) * time.Second
		if s.wasCompromised() {
			return
		}
	}
}

// arrival is the time in which everybody has come once.
const arrival = 6 * time.Second

// begin signs a person in.
func (c *crowd) begin(r *rand.Rand, u *people.Person) *stay {
	v := c.demo.population.Visit(r, u, time.Now())
	s := &stay{visit: v, token: c.demo.signedIn(&v)}
	s.client = people.NewClient(c.demo.gateway, v.Spot, v.Agent, s.token, &c.demo.ledger)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stays = append(c.stays, s)
	return s
}

// step does one, notes whether it went as an honest client may expect, and
// reports whether the visit goes on.
func (c *crowd) step(ctx context.Context, s *stay, step *people.Step) bool {
	s.begun()
	if step.Stream != "" {
		s.hold(step.Stream, true)
		defer s.hold(step.Stream, false)
	}
	a, err := s.client.Do(ctx, step)
	if err != nil {
		a = people.Answer{Reason: err.Error(), At: time.Now()}
	}
	if a.Status == step.Status && !a.Cut {
		return !s.failed()
	}
	s.mu.Lock()
	first := s.interrupted == nil
	if first {
		s.interrupted = &mishap{step: *step, answer: a}
	}
	compromised, complaint := s.compromised, s.interrupted
	s.mu.Unlock()
	if first {
		c.demo.story.interrupted(s, complaint, compromised)
	}
	return false
}

func (s *stay) begun() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
}

func (s *stay) hold(kind string, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open {
		s.open = append(s.open, kind)
		return
	}
	for i := range s.open {
		if s.open[i] == kind {
			s.open = append(s.open[:i], s.open[i+1:]...)
			return
		}
	}
}

func (s *stay) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.interrupted != nil
}

func (s *stay) wasCompromised() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.compromised
}

// victim picks a visit that holds a live view now and marks it compromised; nil
// while there is none.
func (c *crowd) victim(r *rand.Rand) *stay {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range r.Perm(len(c.stays)) {
		s := c.stays[i]
		s.mu.Lock()
		fit := !s.compromised && s.interrupted == nil && len(s.open) > 0 && s.open[0] == event.StreamWebSocket
		if fit {
			s.compromised = true
		}
		s.mu.Unlock()
		if fit {
			return s
		}
	}
	return nil
}

// honest counts the visits that began and were nobody's prey, and those of
// them that were interrupted.
func (c *crowd) honest() (sessions, interrupted int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.stays {
		s.mu.Lock()
		if s.started && !s.compromised {
			sessions++
			if s.interrupted != nil {
				interrupted++
			}
		}
		s.mu.Unlock()
	}
	return sessions, interrupted
}

// method constants keep the attack scripts short.
const (
	get  = http.MethodGet
	post = http.MethodPost
)
