package epochs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/scorer/epoch"
)

// Errors of [Exchange.Promote] that a caller may tell apart, beside those of
// [verdict.KeySet.OpenOrder].
var (
	// ErrElsewhere means that another process builds the epochs.
	ErrElsewhere = errors.New("another analyzer builds the shared epochs")
	// ErrOvertaken means that what was to be replaced is no longer in force.
	ErrOvertaken = errors.New("another epoch is in force than the order says")
	// ErrUnknown means that there is no such epoch, or no longer.
	ErrUnknown = errors.New("no such epoch")
	// ErrOrder means that an order is none for this.
	ErrOrder = errors.New("malformed order")
)

// Order is what an operator signs to put an epoch in force.
type Order struct {
	Tenant string `json:"tenant"`
	// Number and Digest name the epoch.
	Number uint64 `json:"promote"`
	Digest string `json:"digest"`
	// Over is the number of the epoch in force that it replaces, 0 for none. Numbers
	// only grow, so an order is carried out once.
	Over uint64 `json:"over"`
}

// Promote carries out an operator's signed order. An epoch that is no later than the
// one in force comes in force again under a number of its own, and holds automatic
// promotion until a later one is promoted. It returns what is in force now.
//
// Where it is said to be in force but the control records could not be written, they
// are written by the next [Exchange.Tend].
func (x *Exchange) Promote(ctx context.Context, envelope []byte) (epoch.Reference, error) {
	var o Order
	payload, by, err := x.o.Keys.OpenOrder(envelope)
	if err != nil {
		return epoch.Reference{}, fmt.Errorf("promote: %w", err)
	}
	err = json.Unmarshal(payload, &o)
	if err != nil || o.Number == 0 {
		return epoch.Reference{}, fmt.Errorf("promote: %w", errors.Join(ErrOrder, err))
	}
	x.acting.Lock()
	defer x.acting.Unlock()
	x.mu.Lock()
	ready := x.lead && x.caughtUp == x.term
	before, latest := x.active[o.Tenant], x.latest[o.Tenant]
	told := before.Number // What partitions have, of an analyzer that wrote no activations, too.
	for key, s := range x.summaries {
		if key.tenant == o.Tenant {
			told = max(told, s.epoch)
		}
	}
	e := x.epochs[epoch.Reference{Tenant: o.Tenant, Number: o.Number, Digest: o.Digest}]
	x.mu.Unlock()
	switch {
	case !ready:
		return epoch.Reference{}, fmt.Errorf("promote: %w", ErrElsewhere)
	case before.Number != o.Over:
		return epoch.Reference{}, fmt.Errorf("promote: epoch %d is in force, not %d: %w", before.Number, o.Over, ErrOvertaken)
	case e == nil:
		return epoch.Reference{}, fmt.Errorf("promote: epoch %d, digest %s: %w", o.Number, o.Digest, ErrUnknown)
	case before.named == named{e.Number, e.Digest()}:
		return e.Reference(), nil
	}
	// Partitions take later ones only; one of the same number another leader has built.
	back := e.Number <= told
	if back {
		e = e.Again(max(latest.Number, told) + 1)
		err = x.store(ctx, e)
		if err != nil {
			return epoch.Reference{}, fmt.Errorf("promote: %w", err)
		}
	}
	err = x.put(ctx, e, back, by)
	if err != nil {
		return epoch.Reference{}, fmt.Errorf("promote: %w", err)
	}
	return e.Reference(), nil
}

// store writes an epoch to the control topic.
func (x *Exchange) store(ctx context.Context, e *epoch.Epoch) error {
	err := x.write(ctx, epochKey(e.Reference()), cloudevent.TypeEpoch, e.Encode())
	if err != nil {
		return err
	}
	return x.takeEpoch(e.Tenant, e.Encode())
}

// put puts an epoch in force that is in the topic: first it is written down that it
// is, then every partition is told. Who dies in between has a successor that reads
// the one and does the other.
func (x *Exchange) put(ctx context.Context, e *epoch.Epoch, held bool, by string) error {
	x.mu.Lock()
	before := x.active[e.Tenant]
	x.mu.Unlock()
	a := before.next(e, x.o.Now().UTC())
	a.Held, a.By = held, by
	payload, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode the activation of epoch %d: %w", e.Number, err)
	}
	envelope, err := x.o.Signer.Control(payload)
	if err != nil {
		return fmt.Errorf("sign the activation of epoch %d: %w", e.Number, err)
	}
	err = x.write(ctx, activationKey(e.Tenant), cloudevent.TypeActivation, envelope)
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.active[e.Tenant] = a
	x.repeat = true // Until every partition has been told.
	x.mu.Unlock()
	x.o.Logger.InfoContext(ctx, "shared epoch in force", "tenant", e.Tenant, "number", e.Number, "origin", e.Origin, "digest", e.Digest(), "held", held, "by", by)
	return x.repeatAll(ctx)
}
