package announce

import (
	"fmt"
	"strconv"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// envelopePrefix and a number name the attributes of a control event that hold
// the operator's signed verdict, in pieces that fit a field.
const envelopePrefix = "envelope."

// clearEvent is the control event that repeats v's clears. record is v's
// envelope, of at most envelopePiecesMax pieces.
func clearEvent(v *verdict.Verdict, record []byte) *event.RequestEvent {
	ev := &event.RequestEvent{
		Kind: event.KindControl, Id: v.Id, Tenant: v.Tenant, Reason: event.ReasonClear, Attributes: make(map[string]string),
	}
	switch v.Target.GetKind() { // So that a scorer finds the entity where it finds it in any event.
	case verdict.TargetSubject:
		ev.Subject = v.Target.Id
	case verdict.TargetSession:
		ev.Session, ev.Subject = v.Target.Id, v.Subject
	case verdict.TargetToken:
		ev.TokenId, ev.Subject = v.Target.Id, v.Subject
	case verdict.TargetAddress:
		ev.Address = v.Target.Id
	case verdict.TargetAccount:
		ev.Account = v.Target.Id
	}
	for i := 0; len(record) > 0; i++ {
		n := min(len(record), event.FieldBytesMax)
		ev.Attributes[envelopePrefix+strconv.Itoa(i)] = string(record[:n])
		record = record[n:]
	}
	return ev
}

// Believe reports why a control event must have no effect, not even on the
// scorer: a clear counts only where an operator has signed it, for the very
// target that the event names. Other control events are believed.
func (p *Partition) Believe(ev *event.RequestEvent) error {
	if ev.GetKind() != event.KindControl || ev.GetReason() != event.ReasonClear {
		return nil
	}
	op, err := p.announcer.cleared(ev)
	if err != nil {
		return err
	}
	want := clearEvent(op, nil)
	if ev.Tenant != want.Tenant || ev.Subject != want.Subject || ev.Session != want.Session || ev.TokenId != want.TokenId ||
		ev.Address != want.Address || ev.Account != want.Account {
		return fmt.Errorf("the event names another target than the operator's verdict %s: %w", op.Id, ErrNotRelayed)
	}
	return nil
}

// Cleared is the operator's verdict that a clear repeats: what it says is believed
// for his signature, and for nothing that the event itself says.
func (p *Partition) Cleared(ev *event.RequestEvent) (*verdict.Verdict, error) {
	if ev.GetKind() != event.KindControl || ev.GetReason() != event.ReasonClear {
		return nil, fmt.Errorf("event of kind %q, reason %q: %w", ev.GetKind(), ev.GetReason(), ErrNotRelayed)
	}
	return p.announcer.cleared(ev)
}

// cleared returns the operator's verdict that a control event repeats. Only his
// signature counts: whoever may write events may lift nothing.
func (a *Announcer) cleared(ev *event.RequestEvent) (*verdict.Verdict, error) {
	var record []byte
	for i := range envelopePiecesMax {
		record = append(record, ev.GetAttributes()[envelopePrefix+strconv.Itoa(i)]...)
	}
	msg, err := a.keys.Listed().Open(record) // A replay of old records must come to the same end.
	if err != nil {
		return nil, fmt.Errorf("open the operator's envelope: %w", err)
	}
	if msg.Verdict.GetAuthority() != verdict.AuthorityOperator {
		return nil, fmt.Errorf("open the operator's envelope: %w", ErrNotRelayed)
	}
	return msg.Verdict, nil
}
