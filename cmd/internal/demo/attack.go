package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/people"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// Kinds of attack.
const (
	attackToken    = "stolen token"
	attackStuffing = "credential stuffing"
	attackWalk     = "id walk"
	attackExfil    = "exfiltration"
)

// attacker is one person with bad intentions.
type attacker struct {
	kind   string
	number int
	at     time.Duration // When he starts, from the moment that everybody has come.
	rand   *rand.Rand
	who    *people.Person // The insider, for a walk and an exfiltration.

	// What became of him, written by his own goroutine.
	started  time.Time
	ended    bool // Else Ctrl-C came first, and nobody knows.
	caught   bool
	requests int
	loot     uint64 // Bytes that he got.
	last     people.Answer
	prey     *stay
}

// attackMax bounds one attack: who is not caught by then got away. Attackers
// wait for answers, so on a machine that is busy with other work they are slow
// too: a walk that needs 50 ids to be told from work takes 12 s on a quiet one.
const attackMax = 60 * time.Second

// newAttackers picks who attacks, how, in which order and when.
func newAttackers(seed uint64, n int, crowd []*people.Person) []*attacker {
	r := people.Random(seed, "attackers", 0)
	kinds := []string{attackToken, attackStuffing, attackWalk, attackExfil}
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	insiders := r.Perm(len(crowd))
	at := time.Duration(0)
	var all []*attacker
	for i := range n {
		at += 500*time.Millisecond + time.Duration(r.Int64N(int64(2500*time.Millisecond)))
		a := &attacker{kind: kinds[i%len(kinds)], number: i + 1, at: at, rand: people.Random(seed, "attacker", i)}
		if a.kind == attackWalk || a.kind == attackExfil {
			for len(insiders) > 0 && a.who == nil {
				u := crowd[insiders[0]]
				insiders = insiders[1:]
				if u.Role == people.RoleClerk || u.Role == people.RoleSupport {
					a.who = u
				}
			}
			if a.who == nil {
				a.kind = attackStuffing // Nobody is left to turn.
			}
		}
		all = append(all, a)
	}
	return all
}

// attack runs one from start to end.
func (d *run) attack(ctx context.Context, a *attacker) {
	if !people.Sleep(ctx, a.at) {
		return
	}
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, attackMax)
	defer cancel()
	a.started = time.Now()
	switch a.kind {
	case attackToken:
		d.steal(ctx, a)
	case attackStuffing:
		d.stuff(ctx, a)
	case attackWalk:
		d.walk(ctx, a)
	case attackExfil:
		d.exfiltrate(ctx, a)
	}
	a.ended = a.caught || whole.Err() == nil
	d.story.attackEnded(a)
}

// steal uses somebody's token from another country while he is there.
func (d *run) steal(ctx context.Context, a *attacker) {
	for a.prey = d.crowd.victim(a.rand); a.prey == nil; a.prey = d.crowd.victim(a.rand) {
		if !people.Sleep(ctx, 100*time.Millisecond) {
			return
		}
	}
	v := &a.prey.visit
	from := d.population.World.Abroad(a.rand, v.Spot.Network)
	agent := people.RandomAgent(a.rand)
	d.story.attackBegins(a, fmt.Sprintf("somebody in %s uses the token of %s, whose live view is open in %s", from.Network.City, v.Person.Name, v.Spot.Network.City))
	c := people.NewClient(d.gateway, from, agent, a.prey.token, &d.ledger)
	defer c.Close()
	paths := []string{"/", "/me", "/accounts"}
	for _, id := range v.Person.Accounts {
		paths = append(paths, "/accounts/"+id)
	}
	for i := 0; !a.caught; i++ {
		if !d.try(ctx, a, c, people.Step{Method: get, Path: paths[i%len(paths)], Status: 200}) {
			return
		}
		if !people.Sleep(ctx, people.Pause(a.rand, 700*time.Millisecond)) {
			return
		}
	}
}

// stuff tries a list of leaked passwords, one each, from one rented server.
func (d *run) stuff(ctx context.Context, a *attacker) {
	from := d.population.World.Server(a.rand)
	d.roster.add(from.Address.String(), fmt.Sprintf("attacker %d", a.number))
	d.story.attackBegins(a, fmt.Sprintf("%s in %s tries a leaked list of passwords", from.Address, from.Network.City))
	c := people.NewClient(d.gateway, from, "python-requests/2.32.3", "", &d.ledger)
	defer c.Close()
	for i := 0; !a.caught; i++ {
		name := fmt.Sprintf("user%05d", a.rand.IntN(100000))
		if a.rand.Float64() < 0.2 { // Some of the names exist.
			name = d.population.People[a.rand.IntN(len(d.population.People))].Name
		}
		form := people.SignIn(name, fmt.Sprintf("winter%d", a.rand.IntN(1e6)))
		if !d.try(ctx, a, c, people.Step{Method: post, Path: "/login", Form: form, Anonymous: true, Status: 401}) {
			return
		}
		if !people.Sleep(ctx, time.Duration(80+a.rand.IntN(150))*time.Millisecond) {
			return
		}
	}
}

// walk goes through the ids of accounts, from an insider's own desk.
func (d *run) walk(ctx context.Context, a *attacker) {
	c := d.insider(a)
	defer c.Close()
	id := 1000 + a.rand.IntN(8000)
	d.story.attackBegins(a, fmt.Sprintf("%s in %s opens one account after the other, from %d on", a.who.Name, a.who.City, id))
	for ; !a.caught; id++ {
		if !d.try(ctx, a, c, people.Step{Method: get, Path: "/accounts/" + strconv.Itoa(id), Status: 200}) {
			return
		}
		if !people.Sleep(ctx, time.Duration(120+a.rand.IntN(250))*time.Millisecond) {
			return
		}
	}
}

// exfiltrate carries off as much as it can, in several downloads at once.
func (d *run) exfiltrate(ctx context.Context, a *attacker) {
	c := d.insider(a)
	defer c.Close()
	streams := 3 + a.rand.IntN(2)
	size := 2<<30 + a.rand.IntN(1<<30)
	d.story.attackBegins(a, fmt.Sprintf("%s in %s downloads everything, %d × %d MB at once", a.who.Name, a.who.City, streams, size>>20))
	var (
		mu   sync.Mutex
		wait sync.WaitGroup
	)
	for range streams {
		wait.Go(func() {
			step := people.Step{Method: get, Path: "/download", Query: url.Values{"bytes": {strconv.Itoa(size)}}, Stream: event.StreamDownload, Lasts: attackMax, Status: 200}
			answer, err := c.Do(ctx, &step)
			mu.Lock()
			defer mu.Unlock()
			a.requests++
			a.loot += answer.Bytes
			if err == nil && answer.Refused() {
				a.caught, a.last = true, answer
			}
		})
		if !people.Sleep(ctx, 200*time.Millisecond) {
			break
		}
	}
	wait.Wait()
	if a.caught { // He comes back for the rest, and must find the door shut.
		a.caught = false
		d.try(ctx, a, c, people.Step{Method: get, Path: "/accounts", Status: 200})
	}
}

// insider signs one of the people in, at his usual place with his usual device.
func (d *run) insider(a *attacker) *people.Client {
	v := d.population.Visit(a.rand, a.who, time.Now())
	return people.NewClient(d.gateway, v.Spot, v.Agent, d.signedIn(&v), &d.ledger)
}

// try sends one request of an attack and notes whether he was turned away. It
// reports false where the attack has ended by itself.
func (d *run) try(ctx context.Context, a *attacker, c *people.Client, s people.Step) bool {
	if ctx.Err() != nil {
		return false
	}
	answer, err := c.Do(ctx, &s)
	if err != nil {
		return false
	}
	a.requests++
	a.last = answer
	if answer.Refused() {
		a.caught = true
		return true
	}
	a.loot += answer.Bytes
	return true
}
