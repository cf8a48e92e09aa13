package announce

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

// provisionalEnding marks the id of what is said while a verdict waits for a person.
const provisionalEnding = ".provisional"

// provisionalFor is how long that holds; findings that follow renew it.
const provisionalFor = 30 * time.Minute

// provisional is what goes out in the place of a verdict that waits. It ends no
// session, and yet leaves nobody as he was: who is behind a session is asked to
// prove himself, and what many share is slowed down. Without it the worst thief
// would be the only one who is let alone, since his first request is beyond any
// weaker verdict.
func provisional(v *verdict.Verdict, clock time.Time) *verdict.Verdict {
	w := cloned(v)
	w.Id += provisionalEnding
	w.Action = verdict.ActionThrottle
	w.NotBefore = nil
	if v.Authority == verdict.AuthoritySubject {
		w.Action, w.NotBefore = verdict.ActionStepUp, v.NotBefore
	}
	if until := clock.Add(provisionalFor); until.Before(v.Until.AsTime()) {
		w.Until = timestamppb.New(until)
	}
	w.SupportCode = event.SupportCode(w.Id)
	w.PublicText = judge.PublicText(w.Action)
	w.OperatorText = "until a person releases it: " + v.OperatorText
	return w
}

// judgedBy is the offset up to which a partition's records are in a verdict. The
// record behind a provisional one is still to be judged.
func judgedBy(v *verdict.Verdict) int64 {
	offset := v.GetCause().GetOffset()
	if strings.HasSuffix(v.GetId(), provisionalEnding) {
		return offset - 1
	}
	return offset
}
