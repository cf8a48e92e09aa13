package sim_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

const (
	crashGateways = 2
	crashPeople   = 10
)

// crashTraffic is what gateways write while an analyzer is killed: people who read,
// write and sign in, one whose session goes on after its sign-out, a thief, machines
// that try passwords, a scanner, ticks; and what lines do to it: records that come
// twice, numbers that are missing, tombstones, bytes that are no event.
type crashTraffic struct {
	rand *rand.Rand

	seq   map[event.Lane]uint64
	n     int
	ticks time.Time
	out   map[int][]kafka.Record
	steps int
}

func newCrashTraffic(r *rand.Rand) *crashTraffic {
	return &crashTraffic{rand: r, seq: make(map[event.Lane]uint64)}
}

// next is what is written now, by partition.
func (c *crashTraffic) next(now time.Time) map[int][]kafka.Record {
	c.out = make(map[int][]kafka.Record)
	c.steps++
	if now.Sub(c.ticks) >= time.Second {
		c.ticks = now
		for g := range crashGateways {
			for lane := range uint32(laneCount) {
				c.put(g, lane, &event.RequestEvent{Kind: event.KindTick}, now)
			}
		}
	}
	for who := range crashPeople {
		if c.rand.IntN(3) == 0 {
			c.person(who, now)
		}
	}
	for range c.rand.IntN(3) {
		c.guess(now)
	}
	if c.rand.IntN(3) == 0 {
		ev := c.describe("", "", now)
		ev.Address, ev.Path, ev.Template, ev.Route, ev.Status = "203.0.113.9", fmt.Sprint("/.env", c.n), "", "", 404
		c.send(ev, now)
	}
	if c.steps > 40 { // Somebody has had time for habits.
		c.thief(now)
	}
	return c.out
}

// person is one step of somebody with a job.
func (c *crashTraffic) person(who int, now time.Time) {
	subject := fmt.Sprint("subject-", who)
	session := fmt.Sprint(subject, "-session-", c.steps/60)
	ev := c.describe(subject, session, now)
	switch n := c.rand.IntN(20); {
	case n < 4:
		ev.Method, ev.Path, ev.Route, ev.Template, ev.BytesIn, ev.Status = "POST", "/transfers", "transfers", "/transfers", uint64(200+c.rand.IntN(300)), 201
	case n < 6:
		ev.Kind, ev.Phase, ev.AuthMethod, ev.AuthOutcome = event.KindSession, "", "password", event.AuthSuccess
		ev.Reason = []string{event.ReasonLogin, event.ReasonRefresh, event.ReasonStepUp}[c.rand.IntN(3)]
	case n < 7 && who < 3:
		ev.Kind, ev.Phase, ev.Reason = event.KindSession, "", event.ReasonLogout // And it will go on.
	case n < 8:
		ev.Status, ev.Decision = 403, event.DecisionDeny
	default:
		ev.Resource = fmt.Sprint(c.rand.IntN(3))
		if c.rand.IntN(2) == 0 {
			ev.Path, ev.Route, ev.Template = "/me", "me", "/me"
		}
	}
	c.send(ev, now)
}

// guess is one try of a machine in one network, each at another account.
func (c *crashTraffic) guess(now time.Time) {
	ev := c.describe("", "", now)
	ev.Address, ev.UserAgent = fmt.Sprintf("198.51.100.%d", c.rand.IntN(200)), "python-requests/2.32"
	ev.Method, ev.Path, ev.Route, ev.Template, ev.Status = "POST", "/login", "login", "/login", 401
	ev.AuthOutcome, ev.Account = event.AuthFailure, fmt.Sprint("account-", c.n)
	c.send(ev, now)
}

// thief reads the accounts of others from far away, one after the other.
func (c *crashTraffic) thief(now time.Time) {
	ev := c.describe("subject-5", fmt.Sprint("subject-5-session-", c.steps/60), now)
	lat, lon := -33.0, 151.0
	ev.Latitude, ev.Longitude, ev.Country, ev.Address, ev.Asn = &lat, &lon, "AU", "192.0.2.200", 64501
	ev.UserAgent, ev.Resource, ev.BytesOut = "curl/8.0", fmt.Sprint(1000+c.steps), 5<<20
	c.send(ev, now)
}

func (*crashTraffic) describe(subject, session string, now time.Time) *event.RequestEvent {
	ev := describe(subject, session)
	ev.Time = timestamppb.New(now)
	lat, lon := 48.0, 11.0
	ev.Latitude, ev.Longitude = &lat, &lon
	return ev
}

// send gives an event to one of the gateways.
func (c *crashTraffic) send(ev *event.RequestEvent, now time.Time) {
	c.put(c.rand.IntN(crashGateways), lanes().Of(topic.RequestKey(ev.Tenant, ev.Subject, ev.Address)), ev, now)
}

// put numbers an event in its lane, and lets the line do its worst.
func (c *crashTraffic) put(gateway int, lane uint32, ev *event.RequestEvent, now time.Time) {
	c.n++
	at := event.Lane{Gateway: fmt.Sprint("gateway-", gateway), Epoch: 1, Lane: lane}
	if c.rand.IntN(100) == 0 { // Numbers without an event; half of them are owned up to.
		c.seq[at] += 2
		if c.rand.IntN(2) == 0 {
			c.add(at, &event.RequestEvent{
				Kind: event.KindTombstone, Id: fmt.Sprint("t", c.n), Time: timestamppb.New(now), Gateway: at.Gateway, Epoch: at.Epoch, Lane: lane,
				Seq: c.seq[at] - 1, SeqEnd: c.seq[at], Reason: "spool_full",
			}, 1)
		}
	}
	c.seq[at]++
	ev.Id, ev.Time, ev.Gateway, ev.Epoch, ev.Lane, ev.Seq = fmt.Sprint("e", c.n), timestamppb.New(now), at.Gateway, at.Epoch, lane, c.seq[at]
	copies := 1
	if c.rand.IntN(50) == 0 {
		copies = 2
	}
	c.add(at, ev, copies)
	if c.rand.IntN(200) == 0 {
		p := topic.Partition(lane, partitions)
		c.out[p] = append(c.out[p], kafka.Record{Value: kafka.NewBytes([]byte("no event"))})
	}
}

func (c *crashTraffic) add(at event.Lane, ev *event.RequestEvent, copies int) {
	value, err := event.Append(nil, ev)
	if err != nil {
		panic(err) // The events are our own.
	}
	p := topic.Partition(at.Lane, partitions)
	for range copies {
		c.out[p] = append(c.out[p], kafka.Record{Key: kafka.NewBytes(topic.RequestKey(ev.Tenant, ev.Subject, ev.Address)), Value: kafka.NewBytes(value)})
	}
}
