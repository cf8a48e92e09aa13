package cost

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
)

// burstRequests is how many requests a stranger of a burst makes.
const burstRequests = 2

// Tenth is what one tenth of a burst took.
type Tenth struct {
	// Strangers have come so far, and Evicted is how many entities were pushed out.
	Strangers int
	Evicted   uint64
	// Heap is what is in use at its end, in bytes.
	Heap int64
	// Latency is of its events.
	Latency *Latency
}

// Burst has strangers come, each a subject with a session that was never seen
// before and is never seen again, and pushes out whom the engine has no room for.
func (c *Crowd) Burst(strangers int) []Tenth {
	list := make([]*event.RequestEvent, chunkEvents)
	for i := range list {
		list[i] = &event.RequestEvent{Time: new(timestamppb.Timestamp)}
	}
	var out []Tenth
	for tenth := range 10 {
		var t timing
		first, last := strangers*tenth/10*burstRequests, strangers*(tenth+1)/10*burstRequests
		for from := first; from < last; from += chunkEvents {
			some := list[:min(chunkEvents, last-from)]
			for i, ev := range some {
				n := from + i
				c.now = c.now.Add(time.Millisecond)
				dress(ev, n/burstRequests, 0)
				ev.Subject, ev.Session = fmt.Sprintf("strange-%014d", n/burstRequests), fmt.Sprintf("once-%017d", n/burstRequests)
				ask(ev, n/burstRequests, 0, n%burstRequests, c.now)
			}
			t.chunk(len(some), func(i int) { c.assess(some[i]) })
		}
		s := c.Engine.Stats()
		out = append(out, Tenth{Strangers: strangers * (tenth + 1) / 10, Evicted: s.Evicted, Heap: Heap(), Latency: t.done()})
	}
	return out
}

// Came is how people who came again were met.
type Came struct {
	People int
	// Met is how many of them a step-up or more was proposed for.
	Met int
	// Score is the mean over all people of the highest score of a session.
	Score float64
}

// Return has some of the crowd come again in a session of its own, hours after
// whatever was last: as they are known, or, stolen, from elsewhere with another
// program.
func (c *Crowd) Return(first, people int, stolen bool) Came {
	c.now = c.now.Add(3 * time.Hour)
	came := Came{People: people}
	ev := &event.RequestEvent{Time: new(timestamppb.Timestamp)}
	for i := first; i < first+people; i++ {
		dress(ev, i, 0)
		ev.Session, ev.TokenId = fmt.Sprintf("again-%014d", i), fmt.Sprintf("again-%d", i)
		if stolen {
			ev.Address, ev.Asn, ev.Country = fmt.Sprintf("203.%d.%d.9", i>>8&255, i&255), 64500, "AU"
			ev.Latitude, ev.Longitude, ev.UserAgent, ev.Ja4 = new(-31.95), new(115.86), "curl/8.9.1", "t13d190900_9dc949149365_97f8aa674fd9"
		}
		highest, met := 0.0, false
		for n := range crowdRequests {
			ask(ev, i, 0, n, c.now.Add(time.Duration(n)*20*time.Second))
			r := c.Engine.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Offset: c.offset})
			c.offset++
			highest = max(highest, r.Assessment.GetSessionScore())
			for _, p := range r.Proposals {
				met = met || verdict.Strength(p.Action) >= verdict.Strength(verdict.ActionStepUp)
			}
		}
		came.Score += highest / float64(people)
		if met {
			came.Met++
		}
	}
	return came
}
