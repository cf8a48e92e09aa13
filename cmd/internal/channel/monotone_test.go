package channel_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// ladder are the actions that say something.
func ladder() []string {
	return []string{verdict.ActionThrottle, verdict.ActionReadOnly, verdict.ActionStepUp, verdict.ActionRevoke, verdict.ActionBlock}
}

// historiesMax is how many histories are tried, a quarter of them in short tests.
const historiesMax = 32

// judged is somebody who is judged by all authorities: by his session, and by the
// address that is his alone.
type judged struct{ session, address string }

// monotone is the state of the property test, and what the model says of it.
type monotone struct {
	*line

	t      *testing.T
	a      *announce.Announcer
	p      *announce.Partition
	g      *gate
	people []judged
	most   map[string]int // The strongest action so far, by session.
	offset int64
	word   uint64
	marks  int
}

// What was ended stays ended: whatever comes later, from whichever authority and in
// whichever order, no standing becomes weaker while what it rests on holds; neither
// through the analyzer's fold nor through its successor's, compaction, a gateway's
// restart from its file or a gateway's first start. Nobody restores anything here.
func TestALaterThrottleNeverReplacesARevoke(t *testing.T) {
	m := &monotone{t: t, line: newLine(t), most: make(map[string]int)}
	m.a = m.announcer(t)
	m.p = m.adopt(t, m.a)
	m.g = m.openGate(t, t.TempDir()).run(t)
	histories := 0
	rapid.Check(t, func(rt *rapid.T) {
		histories++
		if histories > historiesMax || testing.Short() && histories > historiesMax/4 {
			return
		}
		m.people = nil
		for i := range 2 {
			n := len(m.most) + i
			m.people = append(m.people, judged{fmt.Sprint("s", n), netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String()})
		}
		for _, p := range m.people {
			m.most[p.session] = 0
		}
		for range rapid.IntRange(4, 16).Draw(rt, "steps") {
			m.step(rt)
			m.settle()
			m.check(rt, "the running gateway", m.g)
		}
	})
}

func (m *monotone) step(rt *rapid.T) {
	who := rapid.SampledFrom(m.people).Draw(rt, "who")
	action := rapid.SampledFrom(ladder()).Draw(rt, "action")
	switch step := rapid.SampledFrom([]string{"session", "session", "address", "operator", "operator", "batch", "succeed", "compact", "restart", "first start"}).Draw(rt, "step"); step {
	case "session":
		m.find(who, verdict.TargetSession, action)
	case "address":
		m.find(who, verdict.TargetAddress, action)
	case "batch": // A later one in the same write.
		m.find(who, verdict.TargetSession, verdict.ActionRevoke, action)
	case "operator":
		m.say(who, action)
	case "succeed": // Another analyzer takes the partition over.
		m.a = m.announcer(m.t)
		m.p = m.adopt(m.t, m.a)
	case "compact":
		m.broker.Compact()
	case "restart":
		m.g.stop()
		next := m.openGate(m.t, m.g.dir)
		m.check(rt, "the gateway after its start, before it has read the topic", next)
		m.g = next.run(m.t)
	case "first start":
		g := m.openGate(m.t, m.t.TempDir()).run(m.t)
		m.check(rt, "a gateway that has never been here", g)
		g.stop()
	}
}

// find has the judge find something, and the analyzer announce what follows.
func (m *monotone) find(who judged, kind string, actions ...string) {
	id := who.session
	if kind == verdict.TargetAddress {
		id = who.address
	}
	var list []announce.Finding
	for _, action := range actions {
		m.offset++
		list = append(list, finding(m.offset, kind, id, action))
		m.most[who.session] = max(m.most[who.session], verdict.Strength(action))
	}
	err := m.p.Announce(m.t.Context(), list)
	if err != nil {
		m.t.Fatal(err)
	}
}

// say has an operator say something, to the analyzer and to the gateway.
func (m *monotone) say(who judged, action string) {
	m.word++
	v := says(who.session, m.word, func(v *verdict.Verdict) { v.Authority, v.Action = verdict.AuthorityOperator, action })
	record := sealed(m.t, m.operator, v)
	first, second := m.g.Accept(record), m.a.Relay(m.t.Context(), record)
	if (first == nil) != (second == nil) || second != nil && !errors.Is(second, announce.ErrOutranked) {
		m.t.Fatalf("an operator's %s: the gateway says %v, the analyzer %v", action, first, second)
	}
	m.most[who.session] = max(m.most[who.session], verdict.Strength(action))
}

// settle waits until the gateway has read all that was written.
func (m *monotone) settle() {
	m.marks++
	mark := judged{session: fmt.Sprint("mark", m.marks)}
	m.find(mark, verdict.TargetSession, verdict.ActionRevoke)
	until(m.t, "all is read", func() bool { return m.g.standing(mark.session) == verdict.ActionRevoke })
}

// check compares a gateway with the model.
func (m *monotone) check(t *rapid.T, what string, g *gate) {
	t.Helper()
	for _, p := range m.people {
		got := g.standing(p.session, func(w *session.Who) { w.Address = netip.MustParseAddr(p.address) })
		if want := m.most[p.session]; max(0, verdict.Strength(got)) != want {
			t.Fatalf("%s: %s is under %q, want strength %d", what, p.session, got, want)
		}
	}
}
