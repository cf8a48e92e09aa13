package session

import (
	"math"
	"time"
	"unique"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// held is a verdict as the table keeps it, in a fifth of the memory of a decoded
// one: a gateway holds a million of them, of which hardly any ever meets a visit.
// Times are Unix nanoseconds. Immutable.
type held struct {
	epoch, seq             uint64
	time, until, notBefore int64
	clears                 *[]*verdict.Clear     // Nil where there are none, as mostly.
	text                   unique.Handle[string] // PublicText: thousands of verdicts say the same.
	rest                   string                // What only a reader of the verdict needs, encoded.
	other                  *held                 // What the next authority says about the same target.
	authority              int8
	strength               int8
	kind                   kind
}

// noCutOff stands where a verdict has no not_before.
const noCutOff = math.MinInt64

// hold makes a slim copy of v without what only the audit trail has a use for:
// evidence, score, model, subject, the operator's text, and where its cause lies.
func hold(v *verdict.Verdict, k kind, authority int) (*held, error) {
	rest := verdict.Verdict{Id: v.GetId(), Origin: v.GetOrigin(), SupportCode: v.GetSupportCode()}
	if c := v.GetCause(); c != nil {
		rest.Cause = &verdict.Cause{EventTime: c.GetEventTime(), Traceparent: c.GetTraceparent()}
	}
	b, err := rest.MarshalVT()
	if err != nil {
		return nil, err //nolint:wrapcheck // Named by Apply.
	}
	h := &held{
		epoch: v.GetEpoch(), seq: v.GetSeq(), time: nanoseconds(v.GetTime().AsTime()), until: nanoseconds(v.GetUntil().AsTime()),
		notBefore: noCutOff, text: unique.Make(v.GetPublicText()), rest: string(b),
		authority: int8(authority), strength: int8(verdict.Strength(v.GetAction())), kind: k,
	}
	if clears := v.GetClears(); len(clears) > 0 {
		h.clears = &clears
	}
	if v.GetNotBefore() != nil {
		h.notBefore = nanoseconds(v.GetNotBefore().AsTime())
	}
	return h, nil
}

// nanoseconds is t as Unix time. What lies beyond the years that it can express
// becomes the nearest that it can: a ban until the year 9999 ends in 2262.
func nanoseconds(t time.Time) int64 {
	switch s := t.Unix(); {
	case s <= math.MinInt64/int64(time.Second):
		return math.MinInt64 + 1
	case s >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// verdict decodes h, which is about the target k.
func (h *held) verdict(k *key) *verdict.Verdict {
	v := new(verdict.Verdict)
	err := v.UnmarshalVT([]byte(h.rest))
	if err != nil {
		v = new(verdict.Verdict) // Cannot happen: hold encoded it. It must end the visit all the same.
	}
	v.Epoch, v.Seq, v.Authority, v.Action = h.epoch, h.seq, authorityName(h.authority), actionName(h.strength)
	v.Tenant, v.Target, v.PublicText = k.tenant, k.target(), h.text.Value()
	if h.clears != nil {
		v.Clears = *h.clears
	}
	v.Time, v.Until = timestamppb.New(time.Unix(0, h.time)), timestamppb.New(time.Unix(0, h.until))
	if h.notBefore != noCutOff {
		v.NotBefore = timestamppb.New(time.Unix(0, h.notBefore))
	}
	return v
}

// touches reports whether a live verdict about one of e's names concerns e.
func (h *held) touches(e *Entry) bool {
	if e.Public && h.kind.personal() {
		return false
	}
	if actionName(h.strength) == verdict.ActionStepUp && !e.Who.Assumed && proves(e.Who.AuthTime, h.time) {
		return false
	}
	if h.notBefore == noCutOff {
		return true
	}
	proved := e.Who.AuthTime
	if proved.IsZero() && e.Who.SubjectKind == subjectService {
		proved = e.Who.IssuedAt
	}
	return proved.IsZero() || nanoseconds(proved) < h.notBefore
}

// Satisfied reports whether a step-up that v asks for has been done: the person
// proved himself after the verdict was made. auth_time has whole seconds, so
// that a proof within the verdict's own second does not count.
func Satisfied(v *verdict.Verdict, authTime time.Time) bool {
	return proves(authTime, nanoseconds(v.GetTime().AsTime()))
}

// proves reports whether who proved himself at authTime, zero for never, did so
// after a verdict's time.
func proves(authTime time.Time, after int64) bool {
	return !authTime.IsZero() && nanoseconds(authTime) > after
}

// stronger returns the stronger of two, either of which may be nil; among
// equals the one that lasts longer.
func stronger(a, b *held) *held {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case b.strength != a.strength:
		if b.strength > a.strength {
			return b
		}
		return a
	case b.until > a.until:
		return b
	}
	return a
}

func actionName(strength int8) string {
	return [...]string{
		verdict.ActionObserve, verdict.ActionThrottle, verdict.ActionReadOnly, verdict.ActionStepUp, verdict.ActionRevoke, verdict.ActionBlock,
	}[strength]
}
