package emit

import (
	"hash/maphash"
	"strconv"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// flood counts what a lane is told of requests that were refused, so that a flood of
// them does not stand in the way of others who share the partition. Of those whose
// senders have been judged already, JudgedPerSecond of a lane are events; of those
// from one address that shows nobody's name, RefusedPerSecond. The others have a
// number that a tombstone covers, and the next of their kind that passes says how
// many it stands for.
type flood struct {
	second int64 // Of the clock, that the counts are of.
	judged share
	keys   [floodKeys]flooding
}

// share is what has passed in the second, and what was summarised since the last
// that passed.
type share struct {
	passed int
	behind uint64
}

// flooding is what one key was refused. A key that comes often keeps its place: it
// wears the count of another down before it takes its place (Misra and Gries 1982).
type flooding struct {
	share

	key uint64 // Hashed; 0 for none.
}

// summarises reports whether a refusal is told of by a number alone. It writes into
// ev how many others one that passes stands for. key is the event's, hashed. Callers
// hold the lane's mutex.
func (f *flood) summarises(ev *event.RequestEvent, judged bool, key uint64, second int64) bool {
	if second != f.second {
		f.second, f.judged.passed = second, 0
		for i := range f.keys {
			f.keys[i].passed = 0
		}
	}
	if judged {
		return f.judged.summarises(ev, JudgedPerSecond)
	}
	k := &f.keys[key%floodKeys]
	switch {
	case k.key == key:
	case k.passed > 0:
		k.passed--
		return false
	default:
		*k = flooding{key: key}
	}
	return k.summarises(ev, RefusedPerSecond)
}

func (s *share) summarises(ev *event.RequestEvent, most int) bool {
	if s.passed >= most {
		s.behind++
		return true
	}
	s.passed++
	if s.behind > 0 && len(ev.Attributes) < event.AttributesMax {
		if ev.Attributes == nil {
			ev.Attributes = make(map[string]string, 1)
		}
		ev.Attributes[event.AttributeSummarised] = strconv.FormatUint(s.behind, 10)
		s.behind = 0
	}
	return false
}

// summarises reports whether an event that has its number is told of by that alone.
// Callers hold the lane's mutex.
func (e *Emitter) summarises(l *lane, r *record, key []byte, ev *event.RequestEvent, care Care) bool {
	if ev.Decision != event.DecisionDeny || !ev.Terminal() || care == Strict {
		return false
	}
	judged := e.judged != nil && e.judged(ev.Reason)
	if !judged && ev.Subject != "" {
		return false
	}
	return l.flood.summarises(ev, judged, maphash.Bytes(e.seed, key), r.queued.Unix())
}
