package evidence

import (
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/sequence"
)

const (
	// orderWindow is how many of the latest steps a text speaks of.
	orderWindow = 40
	// orderMore is by how many nats the evidence must exceed what was said before
	// it is said again: the level moves with each step.
	orderMore = 0.25
)

// order compares what is done after what with the subject's own order, as a
// takeover in the middle of a session changes nothing else.
func (k *Collector) order(x *Context) {
	s := x.Session
	if !x.request() || x.Subject == nil || x.Subject.Sequence == nil || s.Watch == nil {
		return
	}
	name := stepName(x.Event)
	if name == "" {
		return
	}
	symbol := sequence.SymbolOfRequest(x.Event.GetMethod(), name)
	step := s.Watch.StepAmong(x.Subject.Sequence, x.Tenant.Shared.Prior(), symbol, func() float64 {
		return k.arriving(x, entity.Routes, name)
	})
	if step.Gain <= 0 && step.AdaptiveGain <= 0 {
		return
	}
	n := k.cut(Takeover, x.Tenant.Shared.Takeover(SequenceKind(x.Event), step))
	if n <= s.Suspicion.Peak(int(Takeover))+orderMore {
		return
	}
	if often, of := s.Watch.Recent(symbol, orderWindow); step.AdaptiveNats > max(0, step.Nats) && often > 1 {
		k.add(Takeover, n, false, k.sayf("%d of the last %d steps are %s %s, which is %.1f %% of what this subject does",
			often, of, x.Event.GetMethod(), name, 100*x.Subject.Sequence.Share(symbol)))
		return
	}
	k.add(Takeover, n, false, k.sayOrder(s, step, name))
}

// stepName is what an event is a step to, "" where nobody knows.
func stepName(ev *event.RequestEvent) string {
	if ev.GetTemplate() != "" {
		return short(ev.GetTemplate())
	}
	return short(ev.GetRoute())
}

// SequenceKind is the kind of an event's subject; one that nobody knows is a
// person.
func SequenceKind(ev *event.RequestEvent) sequence.Kind {
	switch ev.GetSubjectKind() {
	case event.SubjectService:
		return sequence.Service
	case event.SubjectAgent:
		return sequence.Agent
	}
	return sequence.Human
}

func (k *Collector) sayOrder(s *entity.Session, step sequence.Step, name string) string {
	strange, of := s.Watch.Strange(orderWindow)
	text := k.sayf("%d of the last %d steps are unlike this subject's own order", strange, of)
	before := nameOf(&s.Pending, step.Prev)
	if before == "" || step.Nats <= 0 {
		return text
	}
	return k.sayf("%s, such as %s after %s", text, name, before)
}

// nameOf is the template that a symbol was made of, as far as the session still
// remembers it.
func nameOf(p *entity.Pending, symbol sequence.Symbol) string {
	for i := range p.Seen {
		if p.Seen[i].Kind != uint8(entity.Routes) {
			continue
		}
		for _, method := range [...]string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", ""} {
			if sequence.SymbolOfRequest(method, p.Seen[i].Name) == symbol {
				return p.Seen[i].Name
			}
		}
	}
	return ""
}
