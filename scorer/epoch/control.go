package epoch

import (
	"strconv"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// Attributes of a control event that activates an epoch.
const (
	attributeNumber = "epoch.number"
	attributeDigest = "epoch.digest"
)

// Reference names an epoch.
type Reference struct {
	Tenant string
	Number uint64
	Digest string
}

// Reference is how a control record names the epoch.
func (e *Epoch) Reference() Reference {
	return Reference{Tenant: e.Tenant, Number: e.Number, Digest: e.digest}
}

// Control is the control event that activates an epoch. Its id is the same
// whoever writes it.
func (r Reference) Control() *event.RequestEvent {
	number := strconv.FormatUint(r.Number, 10)
	return &event.RequestEvent{
		Kind: event.KindControl, Reason: event.ReasonEpoch, Tenant: r.Tenant, Id: "epoch-" + number + "-" + r.Digest[:min(16, len(r.Digest))],
		Attributes: map[string]string{attributeNumber: number, attributeDigest: r.Digest},
	}
}

// Named is the epoch that an event activates; false where it activates none.
func Named(ev *event.RequestEvent) (Reference, bool) {
	if ev.GetKind() != event.KindControl || ev.GetReason() != event.ReasonEpoch {
		return Reference{}, false
	}
	number, err := strconv.ParseUint(ev.GetAttributes()[attributeNumber], 10, 64)
	r := Reference{Tenant: ev.GetTenant(), Number: number, Digest: ev.GetAttributes()[attributeDigest]}
	return r, err == nil && number > 0 && r.Digest != ""
}
