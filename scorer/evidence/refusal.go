package evidence

import (
	"github.com/vigil-gateway/vigil/scorer/exact"
)

const (
	// seekerRefused is how often somebody who gropes for what is there is refused.
	seekerRefused = 0.9
	// voiceLeast is how many taught sessions give a subject a voice in what others
	// may expect: accounts that were made for an attack have none.
	voiceLeast = 3
)

// refused reports whether the event's answer is that there is no such thing, or
// not for this client.
func refused(x *Context) bool {
	switch x.Event.GetStatus() {
	case 401, 403, 404, 410:
		return true
	}
	return false
}

// refusal compares a refusal with what the other subjects of the tenant are
// answered now: its likelihood ratio is that of who gropes against anybody, and
// anybody is refused after a broken deploy.
func (k *Collector) refusal(x *Context) {
	k.unexpected = 1
	if !x.answered() || !refused(x) && x.Event.GetStatus() >= 400 {
		return
	}
	thing := x.Event.GetTemplate()
	if thing == "" {
		thing = x.Event.GetPath()
	}
	own, keys := hash(x.Event.GetSubject()), [2]uint64{hash(short(thing)), hash(x.Event.GetRoute()) + 1}
	share := 0.0
	for _, key := range keys {
		share = max(share, x.Tenant.Refusals.Share(key, own, x.Now))
		if x.Subject != nil && x.Subject.N >= voiceLeast {
			x.Tenant.Refusals.Note(key, own, refused(x), x.Now)
		}
	}
	if share > 0 {
		k.unexpected = max(0, min(1, exact.Ln(seekerRefused/share)))
	}
}
