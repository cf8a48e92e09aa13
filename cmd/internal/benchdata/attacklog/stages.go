package attacklog

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// settled is how long after the last line the facet stage has seen all.
const settled = time.Minute

// Stages are both stages of the scorer on one log, and the verdicts about facets
// that are in force.
type Stages struct {
	pair   *scorer.Pair
	live   []judge.Proposal
	offset int64
	last   time.Time
}

// NewStages returns both stages without history.
func NewStages(m *model.Model) (*Stages, error) {
	pair, err := scorer.NewPair(scorer.Options{Model: m, OfflineClock: true})
	if err != nil {
		return nil, err
	}
	return &Stages{pair: pair}, nil
}

// Finding is what both stages made of an event.
type Finding struct {
	// Nats is the greater suspicion: of its session or address, or that of a verdict
	// about a facet which it meets.
	Nats float64
	// Acted says that a throttle or more is in force against it, ByFacet that only a
	// verdict about what it shares with others is.
	Acted, ByFacet bool
}

// Assess scores an event.
func (s *Stages) Assess(e *event.RequestEvent) Finding {
	s.offset++
	s.last = e.GetTime().AsTime()
	res, facets := s.pair.Assess(scorer.Record{Event: e, Topic: topic.Requests, Offset: s.offset})
	s.live = append(s.live, facets.Proposals...)
	f := Finding{Nats: res.Assessment.GetSessionScore(), Acted: acts(res.Assessment.GetAction())}
	return s.meet(f, e)
}

// End lets the facet stage see what it has not seen yet, and returns what then holds
// against each of the events, which are the last of their actors.
func (s *Stages) End(events []*event.RequestEvent) []Finding {
	if s.offset > 0 {
		s.offset++
		_, facets := s.pair.Assess(scorer.Record{
			Event: &event.RequestEvent{Kind: event.KindRequest, Time: timestamppb.New(s.last.Add(settled)), Tenant: "none", Address: "192.0.2.255"},
			Topic: topic.Requests, Offset: s.offset,
		})
		s.live = append(s.live, facets.Proposals...)
	}
	found := make([]Finding, len(events))
	for i, e := range events {
		found[i] = s.meet(Finding{}, e)
	}
	return found
}

// meet lets an event run into the verdicts about facets that are in force.
func (s *Stages) meet(f Finding, e *event.RequestEvent) Finding {
	for i := range s.live {
		p := &s.live[i]
		if p.Tenant != e.GetTenant() || !acts(p.Action) || !e.GetTime().AsTime().Before(p.Until) || !facet.Matches(p.Target, e) {
			continue
		}
		f.Nats = max(f.Nats, p.Score)
		f.ByFacet = f.ByFacet || !f.Acted
		f.Acted = true
	}
	return f
}

func acts(action string) bool {
	return verdict.Strength(action) >= verdict.Strength(verdict.ActionThrottle)
}
