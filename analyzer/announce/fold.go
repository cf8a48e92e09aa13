package announce

import (
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// rungs is the number of actions on the ladder.
const rungs = 6

// target is a key of vigil.verdicts without its text form.
type target struct{ tenant, kind, id, authority string }

// layer is what one action of the ladder says about a target.
type layer struct {
	until, notBefore time.Time
	verdict          *verdict.Verdict // As it was proposed, without epoch and seq.
}

// entry is the folded state of one target and authority. A value: a step that
// is not announced leaves no trace.
type entry struct {
	// stands is the verdict in the topic, nil for none.
	stands *verdict.Verdict
	// judged is the offset up to which this partition's records are in stands, -1 for none.
	judged int64
	layers [rungs]layer
}

// Reasons why a proposal is not announced.
const (
	reasonLapsed   = "lapsed"
	reasonRepeated = "repeated"
	reasonWeaker   = "weaker"
	reasonNoGain   = "no_gain"
	reasonObserve  = "observe"
	reasonHeld     = "held"
	reasonShadow   = "shadow"
	reasonForeign  = "foreign"
)

// decide folds a proposed verdict into e at now. It returns the entry that
// follows and the verdict to announce; or nil and the reason why not.
func (e entry) decide(p *verdict.Verdict, now time.Time) (next entry, out *verdict.Verdict, reason string) {
	rung := verdict.Strength(p.Action)
	switch {
	case rung <= 0:
		return e, nil, reasonObserve
	case p.Cause.GetOffset() <= e.judged:
		return e, nil, reasonRepeated
	case !p.Live(now):
		return e, nil, reasonLapsed
	}
	next = e
	merged := mergeLayer(e.layers[rung], p, now)
	next.layers[rung] = merged
	top := next.strongest(now)
	switch {
	case top > rung:
		return next, nil, reasonWeaker
	case e.stands != nil && e.stands.Live(now) && verdict.Strength(e.stands.Action) == rung && !gains(e.stands, merged):
		return next, nil, reasonNoGain
	}
	return next.announced(merged.verdict), merged.verdict, ""
}

// announced is e after v went to the topic.
func (e entry) announced(v *verdict.Verdict) entry {
	e.stands = v
	e.judged = max(e.judged, judgedBy(v))
	return e
}

// lapse returns the weaker verdict that comes into force because the one that
// stands has lapsed, nil for none.
func (e entry) lapse(now time.Time) *verdict.Verdict {
	if e.stands == nil || e.stands.Live(now) {
		return nil
	}
	top := e.strongest(now)
	if top == 0 {
		return nil
	}
	return e.layers[top].verdict
}

// strongest is the highest rung that still holds at now, 0 for none.
func (e entry) strongest(now time.Time) int {
	for i := rungs - 1; i > 0; i-- {
		if now.Before(e.layers[i].until) {
			return i
		}
	}
	return 0
}

// mergeLayer joins what an action said before with what it says now: the later
// until and not_before, the higher score, the newer reasons.
func mergeLayer(old layer, p *verdict.Verdict, now time.Time) layer {
	out := layer{until: p.Until.AsTime(), notBefore: p.NotBefore.AsTime(), verdict: p}
	if p.NotBefore == nil {
		out.notBefore = time.Time{}
	}
	if old.verdict == nil || !now.Before(old.until) {
		return out
	}
	v := cloned(p)
	if old.until.After(out.until) {
		out.until, v.Until = old.until, old.verdict.Until
	}
	if old.notBefore.After(out.notBefore) {
		out.notBefore, v.NotBefore = old.notBefore, old.verdict.NotBefore
	}
	v.Score = max(v.Score, old.verdict.Score)
	out.verdict = v
	return out
}

// gains reports whether a verdict of the same strength is worth announcing
// again: it holds for half a life longer, revokes what was authenticated since,
// rests on a fact, or has half as much evidence again. All else would be a storm.
func gains(stands *verdict.Verdict, l layer) bool {
	life := stands.Until.AsTime().Sub(stands.Time.AsTime())
	switch {
	case l.until.Sub(stands.Until.AsTime()) > life/2:
		return true
	case !l.notBefore.IsZero() && stands.NotBefore != nil && l.notBefore.Sub(stands.NotBefore.AsTime()) >= repeatGap:
		return true
	case hard(l.verdict) && !hard(stands):
		return true
	}
	return l.verdict.Score >= 1.5*stands.Score && stands.Score > 0
}

func hard(v *verdict.Verdict) bool {
	for _, e := range v.GetEvidence() {
		if e.Hard {
			return true
		}
	}
	return false
}

// recalled is the entry for a verdict found in the topic. topicID and end are those
// of the partition that is judged: a cause in another topic, beyond the end or in
// another partition names a record that is gone, and says nothing about offsets to
// come.
func recalled(v *verdict.Verdict, partition int32, topicID string, end int64) entry {
	e := entry{stands: v, judged: -1}
	if c := v.GetCause(); c != nil && c.Partition == partition && c.Offset < end && !elsewhere(c, topicID) {
		e.judged = judgedBy(v)
	}
	rung := verdict.Strength(v.Action)
	if rung > 0 {
		e.layers[rung] = mergeLayer(layer{}, v, time.Time{})
	}
	return e
}

// elsewhere reports whether a cause is in a topic of the same name that is gone.
func elsewhere(c *verdict.Cause, topicID string) bool {
	return c.GetTopicId() != "" && topicID != "" && c.GetTopicId() != topicID
}

// cloned is a copy of v that may be changed.
func cloned(v *verdict.Verdict) *verdict.Verdict {
	out := new(verdict.Verdict)
	proto.Merge(out, v)
	return out
}
