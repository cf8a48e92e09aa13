package evidence

import (
	"slices"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/entity"
)

// bindingNats is what a cryptographic fact says. The judge floors a revoke for
// it, so the number only ranks.
const bindingNats = 20

// binding compares the key that a token is proven with to the one before.
func (k *Collector) binding(x *Context) {
	ev := x.Event
	if ev.GetTokenId() == "" || ev.GetBinding() == "" {
		return
	}
	k.reassure(x)
	token := hash(ev.GetTokenId())
	at := slices.IndexFunc(x.Session.Tokens, func(t entity.TokenKey) bool { return t.Token == token })
	proven := ev.GetBinding() == event.BindingDPoP || ev.GetBinding() == event.BindingMTLS
	switch {
	case !proven:
		if at < 0 || ev.GetBinding() != event.BindingNone {
			return
		}
		n := k.cut(LostProof, bindingNats)
		if n > 0 {
			k.add(LostProof, n, true, "a token that was proven with a key before is shown without any proof")
		}
	case ev.GetDevice() == "":
	case at < 0:
		if len(x.Session.Tokens) >= entity.TokensMax {
			x.Session.Tokens = append(x.Session.Tokens[:0], x.Session.Tokens[1:]...)
		}
		x.Session.Tokens = append(x.Session.Tokens, entity.TokenKey{Token: token, Device: hash(ev.GetDevice())})
	case x.Session.Tokens[at].Device != hash(ev.GetDevice()):
		n := k.cut(TwoKeys, bindingNats)
		if n > 0 {
			k.add(TwoKeys, n, true, "one token is proven with two different keys")
		}
	}
}
