package scorer

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// answer is the memory of one assessment, used again for each event.
type answer struct {
	assessment            assessment.Assessment
	eventTime, streamTime timestamppb.Timestamp
	target                verdict.Target
	// evidence grows to the most that an event has brought.
	evidence []*verdict.Evidence
}

// assessment writes what was made of an event over what was made of the last.
func (e *Engine) assessment(r Record, x *evidence.Context, score float64, ruling *judge.Ruling) *assessment.Assessment {
	m := &e.answer
	ev, a := r.Event, &m.assessment
	a.Reset()
	m.eventTime.Seconds, m.eventTime.Nanos = ev.GetTime().GetSeconds(), ev.GetTime().GetNanos()
	m.streamTime.Seconds, m.streamTime.Nanos = x.Now/1e9, int32(x.Now%1e9)
	a.EventId, a.EventTime, a.StreamTime, a.Offset = ev.GetId(), &m.eventTime, &m.streamTime, r.Offset
	a.Tenant, a.Subject, a.Session, a.Address = ev.GetTenant(), ev.GetSubject(), ev.GetSession(), ev.GetAddress()
	a.Score, a.SessionScore, a.Action = score, ruling.Total, ruling.Action
	a.Shadow = e.model.Mode != model.ModeEnforce
	a.Model, a.SharedEpoch = e.model.Digest(), x.Tenant.Shared.Number()
	if ruling.Rung != nil {
		m.target.Kind, m.target.Id = judge.NameOf(ev)
		a.Target = &m.target
	}
	if x.Subject != nil && x.Subject.N < e.model.Learning.Confidence {
		a.Phase = PhaseLearning
	}
	for len(m.evidence) < len(e.shares) {
		m.evidence = append(m.evidence, new(verdict.Evidence))
	}
	if len(e.shares) > 0 {
		a.Evidence = m.evidence[:len(e.shares)]
	}
	for i := range e.shares {
		s, d := &e.shares[i], e.shares[i].Describe()
		into := a.Evidence[i]
		into.Signal, into.Group, into.Technique, into.Hard = d.ID, d.Group.String(), d.Technique, d.Hard
		into.Nats, into.RawNats, into.Text = s.Nats, s.Finding.Nats, s.Text
		if s.Exception != nil {
			into.Text += " (does not count: exception " + s.Exception.ID + ")"
		}
	}
	return a
}
