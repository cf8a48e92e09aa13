package scorer

import (
	"fmt"
	"io"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Snapshot writes the whole state: clock, lane positions, entities. The same
// state gives the same bytes.
func (e *Engine) Snapshot(w io.Writer) error {
	c := snapshot.WriterOf(e.written + e.written/8)
	e.code(c, nil)
	e.written = len(c.Bytes())
	return snapshot.Seal(w, c.Bytes())
}

// Restore replaces the state by what Snapshot wrote. keep, where given, decides
// by request key (topic.RequestKey) which entities are kept; what a tenant's
// subjects share is always kept. The clock goes on from where it stood. An error is
// that of [snapshot.Restore].
func (e *Engine) Restore(r io.Reader, keep func(key []byte) bool) error {
	err := snapshot.Restore(r, e.empty, func(c *snapshot.Codec) error {
		e.positions = event.Positions{}
		e.code(c, keep)
		e.keepGroups()
		return e.custom.anomaly.Err()
	})
	if err != nil {
		return fmt.Errorf("restore scorer: %w", err)
	}
	return nil
}

// code writes or reads all state in a fixed order.
func (e *Engine) code(c *snapshot.Codec, keep func(key []byte) bool) {
	e.codeShared(c, keep)
	var keepSession func(entity.Key, *entity.Session) bool
	var keepSubject func(entity.Key, *entity.Subject) bool
	if keep != nil {
		keepSession = func(k entity.Key, s *entity.Session) bool {
			address := ""
			if s.Address != nil {
				address = *s.Address
			}
			return keep(topic.RequestKey(k.Tenant, s.Subject, address))
		}
		keepSubject = func(k entity.Key, _ *entity.Subject) bool {
			return keep(topic.RequestKey(k.Tenant, k.ID, ""))
		}
	}
	e.subjects.Code(c, func(s *entity.Subject) { s.Code(c) }, keepSubject)
	e.sessions.Code(c, func(s *entity.Session) { s.Code(c) }, keepSession)
	e.addresses.Code(c, func(s *entity.Session) { s.Code(c) }, keepSession)
	e.gateways.Code(c)
	e.accounts.Code(c, func(a *entity.Account) { a.Code(c) }, nil)
	e.asns.Code(c, func(a *entity.ASN) { a.Code(c) }, nil)
	e.custom.anomaly.Code(c)
	e.custom.ensembles.Code(c)
	e.facets.Code(c)
}

// codeShared writes or reads what is no single actor's.
func (e *Engine) codeShared(c *snapshot.Codec, keep func(key []byte) bool) {
	e.clock.Code(c)
	e.codePositions(c)
	e.tenants.Code(c, func(t *entity.Tenant) { t.Code(c) }, func(k entity.Key, t *entity.Tenant) bool {
		if keep != nil && !keep(topic.RequestKey(k.Tenant, "", "")) {
			t.Shared.Forget() // One of the partitions goes on with it: all of them would count it as often.
		}
		return true
	})
}

func (e *Engine) codePositions(c *snapshot.Codec) {
	type position struct {
		lane event.Lane
		last uint64
	}
	var list []position
	for l, last := range e.positions.Heard {
		list = append(list, position{l, last})
	}
	snapshot.List(c, &list, func(p *position) {
		lane := uint64(p.lane.Lane)
		c.Str(&p.lane.Gateway)
		c.U64(&p.lane.Epoch)
		c.U64(&lane)
		c.U64(&p.last)
		p.lane.Lane = uint32(lane)
	})
	if c.Reading() {
		for _, p := range list {
			e.positions.Set(p.lane, p.last)
		}
	}
}
