package judge

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// aheadMax is how far an event's own time may be ahead of the stream clock and
// still count for when a verdict ends: the clock of a partition that slept may
// lag, and a verdict must not lapse before it is issued.
const aheadMax = 24 * time.Hour

// Case is what a proposal is made of.
type Case struct {
	Model     *model.Model
	Event     *event.RequestEvent
	Topic     string
	Partition int32
	Offset    int64
	Now       int64
	Session   *entity.Session
	Ruling    Ruling
	// Shares are those of the event.
	Shares []Share
	// Company are the subject's other sessions.
	Company Company
}

// Propose writes the proposal for a ruling and notes in the suspicion that it
// is in force. Nothing of the event is kept in it.
func Propose(c *Case) Proposal {
	ev := c.Event
	at := time.Unix(0, max(c.Now, min(ev.GetTime().AsTime().UnixNano(), c.Now+int64(aheadMax)))).UTC()
	target := scope(c)
	target.Id = strings.Clone(target.Id)
	until := at.Add(c.Ruling.Rung.For)
	s := &c.Session.Suspicion
	s.Level = verdict.Strength(c.Ruling.Action)
	s.LevelUntil = c.Now + int64(c.Ruling.Rung.For)
	s.LevelToken = 0
	s.VerdictAt = ev.GetTime().AsTime().UnixNano()
	if verdict.Suspends(c.Ruling.Action) {
		device := uint64(0)
		if name := evidence.DeviceOf(ev); name != "" {
			device = evidence.Hash(name)
		}
		c.Session.SuspendOn(device)
	}
	p := Proposal{
		ID:         proposalID(c, target),
		Target:     target,
		Authority:  authority(target.GetKind()),
		Action:     c.Ruling.Action,
		Until:      until,
		Score:      c.Ruling.Score,
		Evidence:   reasons(c.Model, s),
		PublicText: PublicText(c.Ruling.Action),
		Subject:    strings.Clone(ev.GetSubject()),
		Tenant:     strings.Clone(ev.GetTenant()),
		Hard:       c.Ruling.Hard,
		Shadow:     c.Model.Mode != model.ModeEnforce || heldOut(c),
		EventID:    strings.Clone(ev.GetId()),
		EventTime:  ev.GetTime().AsTime(),
		Offset:     c.Offset,
		Model:      c.Model.Digest(),
	}
	if verdict.Suspends(p.Action) && p.Authority == verdict.AuthoritySubject {
		p.NotBefore = p.EventTime
	}
	p.OperatorText = operatorText(&p)
	if target.GetKind() == verdict.TargetToken {
		confine(s, target.GetId())
	}
	return p
}

func authority(kind string) string {
	switch kind {
	case verdict.TargetSession, verdict.TargetSubject, verdict.TargetToken:
		return verdict.AuthoritySubject
	}
	return verdict.AuthorityFacet
}

// proposalID names a proposal by where in the order of records it arose, so
// that a replay proposes under the same name.
func proposalID(c *Case, t *verdict.Target) string {
	b := make([]byte, 0, 128)
	b = append(append(b, c.Topic...), 0)
	b = append(strconv.AppendInt(b, int64(c.Partition), 10), 0)
	b = append(strconv.AppendInt(b, c.Offset, 10), 0)
	b = append(append(b, t.GetKind()...), 0)
	b = append(b, t.GetId()...)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// reasons lists what an actor is suspected of, strongest first.
func reasons(m *model.Model, s *entity.Suspicion) []*verdict.Evidence {
	list := make([]*verdict.Evidence, 0, len(s.Reasons))
	for i := range s.Reasons {
		r := &s.Reasons[i]
		d := m.Describe(r.Signal)
		if d == nil {
			continue // From a build that had more signals, or a model that had the rule.
		}
		list = append(list, &verdict.Evidence{
			Signal: d.ID, Group: d.Group.String(), Nats: r.Nats, RawNats: r.Raw, Text: string(r.Text), Hard: d.Hard, Technique: d.Technique,
		})
	}
	slices.SortStableFunc(list, func(a, b *verdict.Evidence) int { return cmp.Compare(b.GetNats(), a.GetNats()) })
	return list
}

// PublicText says what an action does without telling an attacker what gave him
// away; "" for one that nobody is told of.
func PublicText(action string) string {
	switch action {
	case verdict.ActionThrottle:
		return "Requests are slowed down because there were unusually many of them."
	case verdict.ActionReadOnly:
		return "Changes are paused because of unusual activity."
	case verdict.ActionStepUp:
		return "Please confirm that it is you: this session shows unusual activity."
	case verdict.ActionRevoke:
		return "This session was ended to protect the account. Please sign in again."
	case verdict.ActionBlock:
		return "Access is blocked for a while because of unusual activity."
	}
	return ""
}

func operatorText(p *Proposal) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s at %.1f nats", p.Action, p.Target.GetKind(), p.Target.GetId(), p.Score)
	for i, e := range p.Evidence {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%s (%s %+.1f)", sep, e.GetText(), e.GetSignal(), e.GetNats())
	}
	return b.String()
}
