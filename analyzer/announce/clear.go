package announce

import (
	"strconv"
	"strings"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Attributes of the control event that repeats an operator's clears; for each
// authority one more, clearPrefix and its name, with "epoch:seq".
const (
	// AttributeTargetKind and AttributeTargetID name what is cleared.
	AttributeTargetKind = "target_kind"
	AttributeTargetID   = "target_id"
	// AttributeVerdict is the id of the operator's verdict.
	AttributeVerdict = "verdict_id"

	clearPrefix = "clear."
)

// clearEvent is the control event that repeats v's clears.
func clearEvent(v *verdict.Verdict) *event.RequestEvent {
	ev := &event.RequestEvent{
		Kind: event.KindControl, Id: v.Id, Tenant: v.Tenant, Reason: event.ReasonClear,
		Attributes: map[string]string{
			AttributeTargetKind: v.Target.GetKind(), AttributeTargetID: v.Target.GetId(), AttributeVerdict: v.Id,
		},
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
	for _, c := range v.Clears {
		ev.Attributes[clearPrefix+c.Authority] = strconv.FormatUint(c.Epoch, 10) + ":" + strconv.FormatUint(c.Seq, 10)
	}
	return ev
}

// clears reads a control event back: per authority up to where it is void.
func clears(ev *event.RequestEvent) (kind, id string, list []*verdict.Clear) {
	for _, authority := range []string{verdict.AuthoritySubject, verdict.AuthorityFacet} {
		text, ok := ev.Attributes[clearPrefix+authority]
		if !ok {
			continue
		}
		e, s, _ := strings.Cut(text, ":")
		epoch, err := strconv.ParseUint(e, 10, 64)
		if err != nil {
			continue
		}
		seq, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			continue
		}
		list = append(list, &verdict.Clear{Authority: authority, Epoch: epoch, Seq: seq})
	}
	return ev.Attributes[AttributeTargetKind], ev.Attributes[AttributeTargetID], list
}
