package judge

import (
	"strconv"

	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// heldOut reports whether a step-up is recorded in shadow instead of asked for. Who
// is asked behaves otherwise from then on, so a history of step-ups cannot say how
// high honest suspicion would have grown; the few days that are held out can. Hard
// facts and stronger actions never are, and neither is a session without a subject.
// A subject's day is drawn as a whole, by names that whoever is judged does not know.
func heldOut(c *Case) bool {
	share := c.Model.HoldOut(model.KindOf(c.Event))
	if share == 0 || c.Ruling.Action != verdict.ActionStepUp || c.Ruling.Hard || c.Event.GetSubject() == "" {
		return false
	}
	h := evidence.Hash(c.Event.GetTenant() + "\x00" + c.Event.GetSubject() + "\x00" + strconv.Itoa(int(entity.Day(c.Now))))
	const unit = 1 << 53 // What a float64 holds exactly.
	return float64(h>>11)/unit < share
}
