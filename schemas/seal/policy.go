package seal

import (
	"fmt"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// Policy says what happens to records without a seal of gateways that no key is
// listed for.
type Policy string

// Policies.
const (
	// Accept takes them like others.
	Accept Policy = "accept"
	// Mark takes them, and marks their events with [event.AttributeProducer]: they are
	// scored for half of what they say and teach nothing. It is for the time in which
	// some gateways have a key and others do not yet.
	Mark Policy = "mark"
	// Refuse refuses them.
	Refuse Policy = "refuse"
	// Auto accepts them for as long as no gateway has a key, and refuses them from
	// the first key on.
	Auto Policy = "auto"
)

// Validate reports a policy that is none.
func (p Policy) Validate() error {
	switch p {
	case Accept, Mark, Refuse, Auto:
		return nil
	}
	return fmt.Errorf("must be %q, %q, %q or %q, is %q", Auto, Accept, Mark, Refuse, string(p))
}

// RefusedError says why a record is refused.
type RefusedError struct {
	// Gateway is whose record it claims to be.
	Gateway string
	Cause   Cause
	// Kid is the key's id that the seal names, "" for no seal.
	Kid string
}

// Error says it in words.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("not believed to be of gateway %q: %s, kid %q", e.Gateway, e.Cause, e.Kid)
}

// Admit decides on the event of one record, and marks it where the policy says so.
// cause is the one that [Book.Judge] has found for the record's batch. What it
// returns is why the record is refused, nil where it is not.
//
// A control record names no gateway, and what it carries has a signature of its own.
func (p Policy) Admit(keys Keys, h *Head, cause Cause, ev *event.RequestEvent) *RefusedError {
	refused := &RefusedError{Gateway: h.Gateway, Cause: cause}
	if h.Seal != nil {
		refused.Kid = h.Seal.Kid
	}
	switch {
	case cause == "" && ev.Gateway == h.Gateway:
		return nil
	case cause == "":
		refused.Gateway, refused.Cause = ev.Gateway, CauseGateway
		return refused
	case cause != CauseUnsigned && cause != CauseKey && cause != CauseMalformed:
		return refused
	case ev.Kind == event.KindControl && ev.Gateway == "" && cause == CauseUnsigned:
		return nil
	case p == Refuse, p == Auto && keys.Sealing(), keys.Seals(ev.Gateway), keys.Seals(h.Gateway):
		refused.Gateway = ev.Gateway
		return refused
	case p == Mark:
		mark(ev)
	}
	return nil
}

// mark sets the attribute. Where there is no room for one more the others make it: a
// forger would bring as many as there may be.
func mark(ev *event.RequestEvent) {
	if ev.Attributes == nil || len(ev.Attributes) >= event.AttributesMax {
		ev.Attributes = make(map[string]string, 1)
	}
	ev.Attributes[event.AttributeProducer] = event.ProducerUnsigned
}
