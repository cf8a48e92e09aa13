package session

import (
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// authorities are the writers of one target, in a fixed order.
const authorities = 5

// AuthorityLogin is the word of a person who signs out, or of the provider where he
// did. It is made by this gateway itself, and never comes over a wire.
const AuthorityLogin = "login"

func authorityOf(s string) int {
	switch s {
	case verdict.AuthoritySubject:
		return 0
	case verdict.AuthorityFacet:
		return 1
	case verdict.AuthorityFeed:
		return 2
	case AuthorityLogin:
		return 3
	case verdict.AuthorityOperator:
		return authorityOperator
	}
	return -1
}

const authorityOperator = 4

// held is a verdict as the table keeps it: slim, with its times decoded.
type held struct {
	verdict   *verdict.Verdict
	kind      kind
	strength  int
	time      time.Time
	until     time.Time
	notBefore time.Time // Zero where the verdict has no cut-off.
}

// hold makes a slim copy of v: evidence and operator's text are of no use here
// and would be most of the memory.
func hold(v *verdict.Verdict, k kind, tenant string) *held {
	h := &held{
		kind: k, strength: verdict.Strength(v.GetAction()),
		time: v.GetTime().AsTime(), until: v.GetUntil().AsTime(),
		verdict: &verdict.Verdict{
			Id: v.GetId(), Time: v.GetTime(), Epoch: v.GetEpoch(), Seq: v.GetSeq(), Authority: v.GetAuthority(),
			Tenant: tenant, Target: v.GetTarget(), Action: v.GetAction(), Until: v.GetUntil(), NotBefore: v.GetNotBefore(),
			Score: v.GetScore(), Cause: v.GetCause(), Clears: v.GetClears(), Origin: v.GetOrigin(),
			PublicText: v.GetPublicText(), SupportCode: v.GetSupportCode(), Subject: v.GetSubject(),
		},
	}
	if v.GetNotBefore() != nil {
		h.notBefore = v.GetNotBefore().AsTime()
	}
	return h
}

// touches reports whether a live verdict about one of e's names concerns e.
func (h *held) touches(e *Entry) bool {
	if e.Public && h.kind.personal() {
		return false
	}
	if h.verdict.Action == verdict.ActionStepUp && Satisfied(h.verdict, e.Who.AuthTime) {
		return false
	}
	if h.notBefore.IsZero() {
		return true
	}
	proved := e.Who.AuthTime
	if proved.IsZero() && e.Who.SubjectKind == subjectService {
		proved = e.Who.IssuedAt
	}
	return proved.IsZero() || proved.Before(h.notBefore)
}

// Satisfied reports whether a step-up that v asks for has been done: the person
// proved himself after the verdict was made. auth_time has whole seconds, so
// that a proof within the verdict's own second does not count.
func Satisfied(v *verdict.Verdict, authTime time.Time) bool {
	return !authTime.IsZero() && authTime.After(v.GetTime().AsTime())
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
	case b.until.After(a.until):
		return b
	}
	return a
}

// fold is what all authorities say about one target. Immutable.
type fold struct{ by [authorities]*held }

// with returns f with h at its authority, and whether h is news.
func (f *fold) with(authority int, h *held) (*fold, bool) {
	var next fold
	if f != nil {
		next = *f
	}
	if old := next.by[authority]; old != nil &&
		!verdict.Later(h.verdict.Epoch, h.verdict.Seq, old.verdict.Epoch, old.verdict.Seq) {
		return f, false
	}
	next.by[authority] = h
	return &next, true
}

// strongest is the strongest verdict that holds for e at now, nil for none.
func (f *fold) strongest(e *Entry, now time.Time) *held {
	if f == nil {
		return nil
	}
	var best *held
	for i, h := range f.by {
		if h == nil || !now.Before(h.until) || f.void(i, h) || !h.touches(e) {
			continue
		}
		best = stronger(best, h)
	}
	return best
}

// void reports whether the operator's word clears h. A clear does not lapse
// with the operator's verdict: what was lifted stays lifted.
func (f *fold) void(authority int, h *held) bool {
	op := f.by[authorityOperator]
	if op == nil {
		return false
	}
	for _, c := range op.verdict.Clears {
		if authorityOf(c.GetAuthority()) == authority && op != h &&
			!verdict.Later(h.verdict.Epoch, h.verdict.Seq, c.GetEpoch(), c.GetSeq()) {
			return true
		}
	}
	return false
}

// ends reports whether anything in f may end what is open.
func (f *fold) ends() bool {
	for _, h := range f.by {
		if h != nil && (verdict.Suspends(h.verdict.Action) || h.verdict.Action == verdict.ActionReadOnly) {
			return true
		}
	}
	return false
}

// swept returns f without what lapsed before the horizon, nil when nothing is
// left, and how many went. An operator's clears stay while there is something
// that they may void.
func (f *fold) swept(horizon time.Time) (*fold, int64) {
	next, gone, others := *f, int64(0), false
	for i := range authorityOperator {
		if h := next.by[i]; h != nil {
			if h.until.Before(horizon) {
				next.by[i] = nil
				gone++
				continue
			}
			others = true
		}
	}
	op := next.by[authorityOperator]
	if op != nil && op.until.Before(horizon) && (len(op.verdict.Clears) == 0 || !others) {
		next.by[authorityOperator] = nil
		gone++
	}
	if next == (fold{}) {
		return nil, gone
	}
	return &next, gone
}
