package revoke

import (
	"sync"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// gaps notices that somebody withholds what a stage has said. A stage numbers all
// that it writes to a partition, heartbeats included, without holes; so whoever
// follows along and finds a number left out has missed a record, at the latest with
// the heartbeat after it.
type gaps struct {
	mu   sync.Mutex
	last map[voice]order
}

// voice is a stage in one partition.
type voice struct {
	partition int
	stage     string
}

type order struct{ epoch, seq uint64 }

// stageOf is the authority under whose heartbeats a verdict is numbered; "" for none.
func stageOf(v *verdict.Verdict) string {
	switch {
	case v.Authority != verdict.AuthoritySubject && v.Authority != verdict.AuthorityFacet:
		return "" // Operators number by the clock.
	case v.Target.GetKind() == verdict.TargetToken, v.Target.GetKind() == verdict.TargetSession,
		v.Target.GetKind() == verdict.TargetSubject, v.Target.GetKind() == verdict.TargetAddress:
		return verdict.AuthoritySubject
	}
	return verdict.AuthorityFacet
}

// note takes the place of an authentic record and returns how many before it are
// missing. Earlier ones, repeated or signed anew, are nothing new.
func (g *gaps) note(partition int, m verdict.Message) uint64 {
	v, at := voice{partition: partition}, order{}
	if m.Heartbeat != nil {
		v.stage, at = m.Heartbeat.Authority, order{m.Heartbeat.Epoch, m.Heartbeat.Seq}
	} else {
		v.stage, at = stageOf(m.Verdict), order{m.Verdict.Epoch, m.Verdict.Seq}
	}
	if v.stage == "" {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	last, known := g.last[v]
	if known && !verdict.Later(at.epoch, at.seq, last.epoch, last.seq) {
		return 0
	}
	g.last[v] = at
	switch {
	case !known:
		return 0
	case at.epoch > last.epoch:
		return at.seq - 1 // Each epoch begins with 1.
	}
	return at.seq - last.seq - 1
}

// forget begins anew with a partition whose records are not read one after the other.
func (g *gaps) forget(partition int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for v := range g.last {
		if v.partition == partition {
			delete(g.last, v)
		}
	}
}
