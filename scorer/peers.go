package scorer

import (
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/evidence"
)

// join finds the peer group with which the event's subject is compared. A request
// decides for the whole delta that it begins, so that nobody changes sides between
// two requests and each delta teaches one group; who is in none joins one as soon as
// a request says so. Who goes over to another takes his own habits with him.
func (e *Engine) join(x *evidence.Context) {
	if len(e.model.PeerGroups) == 0 || x.Subject == nil {
		return
	}
	s := x.Session
	group := s.Rare().Group
	if kind := x.Event.GetKind(); kind == event.KindRequest || kind == "" {
		if s.Pending.Requests == 0 || !e.model.HasPeerGroup(group) {
			group = e.model.PeerGroupOf(x.Event)
			s.Join(group)
		}
	}
	x.Group = x.Tenant.Group(group)
}

// keepGroups forgets the peer groups that the model does not know: nobody would
// ask them again.
func (e *Engine) keepGroups() {
	for _, t := range e.tenants.All {
		e.dropped += uint64(t.KeepGroups(e.model.HasPeerGroup))
	}
}
