package epochs

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/scorer/epoch"
)

// errActivation means that a record says nothing about what is in force.
var errActivation = errors.New("record of an activation is malformed")

// named is an epoch in the record of an activation.
type named struct {
	Number uint64 `json:"number"`
	Digest string `json:"digest"`
}

// replaced is an epoch that was in force until another took its place.
type replaced struct {
	named

	Until time.Time `json:"until"`
}

// activation is what is in force for a tenant. An analyzer signs it, and the control
// topic keeps the last one.
type activation struct {
	named

	Tenant string    `json:"tenant"`
	Since  time.Time `json:"since"`
	// Held says that a person went back to an earlier epoch: until he promotes a later
	// one, what is built is a candidate.
	Held bool `json:"held,omitempty"`
	// By is the operator's key where a person has promoted it.
	By string `json:"by,omitempty"`
	// Replaced are those before it that records may still name, latest last.
	Replaced []replaced `json:"replaced,omitempty"`
}

// reference is how control records name what is in force; false where that is nothing.
func (a *activation) reference() (epoch.Reference, bool) {
	return epoch.Reference{Tenant: a.Tenant, Number: a.Number, Digest: a.Digest}, a.Number > 0
}

// next is the activation of another epoch.
func (a *activation) next(e *epoch.Epoch, now time.Time) activation {
	out := activation{named: named{e.Number, e.Digest()}, Tenant: e.Tenant, Since: now, Replaced: slices.Clone(a.Replaced)}
	if a.Number > 0 {
		out.Replaced = append(out.Replaced, replaced{a.named, now})
	}
	out.Replaced = slices.DeleteFunc(out.Replaced, func(r replaced) bool { return now.Sub(r.Until) > keptFor })
	out.Replaced = out.Replaced[max(0, len(out.Replaced)-replacedMax):]
	return out
}

// names reports whether records may name an epoch that has been in force.
func (a *activation) names(ref epoch.Reference) bool {
	return a.named == named{ref.Number, ref.Digest} ||
		slices.ContainsFunc(a.Replaced, func(r replaced) bool { return r.named == named{ref.Number, ref.Digest} })
}

// takeActivation books what an analyzer says is in force.
func (x *Exchange) takeActivation(tenant string, value []byte) error {
	payload, err := x.o.Keys.OpenControl(value)
	if err != nil {
		return fmt.Errorf("activation: %w", err)
	}
	var a activation
	err = json.Unmarshal(payload, &a)
	if err != nil || a.Tenant != tenant || a.Number == 0 {
		return errors.Join(errActivation, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if old := x.active[tenant]; a.Number >= old.Number {
		x.active[tenant] = a
	}
	return nil
}
