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
	tokens := x.Session.Rare().Tokens
	at := slices.IndexFunc(tokens, func(t entity.TokenKey) bool { return t.Token == token })
	proven := ev.GetBinding() == event.BindingDPoP || ev.GetBinding() == event.BindingMTLS
	unproven := unprovenText(ev.GetReason())
	switch {
	case unproven != "":
		n := k.cut(LostProof, bindingNats)
		if n > 0 {
			k.add(LostProof, n, true, unproven)
		}
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
		r := x.Spares.Rare(x.Session)
		if len(r.Tokens) >= entity.TokensMax {
			r.Tokens = append(r.Tokens[:0], r.Tokens[1:]...)
		}
		r.Tokens = append(r.Tokens, entity.TokenKey{Token: token, Device: hash(ev.GetDevice())})
	case tokens[at].Device != hash(ev.GetDevice()):
		n := k.cut(TwoKeys, bindingNats)
		if n > 0 {
			k.add(TwoKeys, n, true, "one token is proven with two different keys")
		}
	}
}

// unprovenText words why a gateway has refused an authentic token for want of
// the key that it is bound to; empty for every other reason.
func unprovenText(reason string) string {
	switch reason {
	case event.ReasonTokenBound:
		return "a token that is bound to a key is shown without any proof"
	case event.ReasonProofKey:
		return "a token that is bound to a key is shown with a proof by another key"
	case event.ReasonProofForged:
		return "a token that is bound to a key is shown with a forged proof"
	case event.ReasonProofReplayed:
		return "a proof that was used before comes again from another address"
	}
	return ""
}
