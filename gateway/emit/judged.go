package emit

import (
	"strconv"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// judged counts a lane's refusals of those who have been judged already. They
// change nothing any more, so a flood of them must not stand in the way of others
// who share the partition: beyond JudgedPerSecond the number of each is given out and
// covered by a tombstone, and the next that passes says how many it stands for.
type judged struct {
	second int64 // Of the clock, in which passed counts.
	passed int
	behind uint64 // Summarised since the last that passed.
}

// summarises reports whether a refusal is told of by a number alone. It writes into
// ev how many others one that passes stands for. Callers hold the lane's mutex.
func (j *judged) summarises(ev *event.RequestEvent, second int64) bool {
	if second != j.second {
		j.second, j.passed = second, 0
	}
	if j.passed >= JudgedPerSecond {
		j.behind++
		return true
	}
	j.passed++
	if j.behind > 0 && len(ev.Attributes) < event.AttributesMax {
		if ev.Attributes == nil {
			ev.Attributes = make(map[string]string, 1)
		}
		ev.Attributes[event.AttributeSummarised] = strconv.FormatUint(j.behind, 10)
		j.behind = 0
	}
	return false
}

// isJudged reports whether an event is the end of a request that was refused for
// what its sender has been judged for before.
func (e *Emitter) isJudged(ev *event.RequestEvent) bool {
	return e.judged != nil && ev.Decision == event.DecisionDeny && ev.Terminal() && e.judged(ev.Reason)
}
