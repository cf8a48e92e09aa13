package session

import (
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// AuthorityLogin is the word of a person who signs out, or of the provider where he
// did. It is made by this gateway itself, and never comes over a wire.
const AuthorityLogin = "login"

// authorityLogin is the index of AuthorityLogin, authorityOperator that of the only
// authority whose clears count.
const (
	authorityLogin    = 3
	authorityOperator = 4
)

func authorityOf(s string) int {
	switch s {
	case verdict.AuthoritySubject:
		return 0
	case verdict.AuthorityFacet:
		return 1
	case verdict.AuthorityFeed:
		return 2
	case AuthorityLogin:
		return authorityLogin
	case verdict.AuthorityOperator:
		return authorityOperator
	}
	return -1
}

func authorityName(i int8) string {
	return [...]string{verdict.AuthoritySubject, verdict.AuthorityFacet, verdict.AuthorityFeed, AuthorityLogin, verdict.AuthorityOperator}[i]
}

// What all authorities say about one target is a list of one held each, in the
// order of the authorities, by way of [held.other]; nil where nobody says
// anything. Lists are immutable: a change makes a new one.

// with returns f with h in the place of what its authority said, and whether h is news.
func (f *held) with(h *held) (*held, bool) {
	for o := f; o != nil; o = o.other {
		if o.authority == h.authority && !verdict.Later(h.epoch, h.seq, o.epoch, o.seq) {
			return f, false
		}
	}
	return f.without(h.authority).insert(h), true
}

// without returns f without what an authority said.
func (f *held) without(authority int8) *held {
	if f == nil {
		return nil
	}
	rest := f.other.without(authority)
	if f.authority == authority {
		return rest
	}
	if rest == f.other {
		return f
	}
	c := *f
	c.other = rest
	return &c
}

// insert returns f with h, whose authority has said nothing in f.
func (f *held) insert(h *held) *held {
	if f == nil || h.authority < f.authority {
		c := *h
		c.other = f
		return &c
	}
	c := *f
	c.other = f.other.insert(h)
	return &c
}

// by returns what an authority says, nil for nothing.
func (f *held) by(authority int8) *held {
	for ; f != nil; f = f.other {
		if f.authority == authority {
			return f
		}
	}
	return nil
}

// strongest is the strongest verdict in f that holds for e at now, nil for none.
// lapses is lowered to the first time at which one of those that hold lapses.
func (f *held) strongest(e *Entry, now int64, lapses *int64) *held {
	var best *held
	for h := f; h != nil; h = h.other {
		if now >= h.until || f.void(h) || !h.touches(e) {
			continue
		}
		*lapses = min(*lapses, h.until)
		best = stronger(best, h)
	}
	return best
}

// void reports whether the operator's word clears h. A clear does not lapse
// with the operator's verdict: what was lifted stays lifted.
func (f *held) void(h *held) bool {
	op := f.by(authorityOperator)
	if op == nil || op == h || op.clears == nil {
		return false
	}
	for _, c := range *op.clears {
		if authorityOf(c.GetAuthority()) == int(h.authority) && !verdict.Later(h.epoch, h.seq, c.GetEpoch(), c.GetSeq()) {
			return true
		}
	}
	return false
}

// ends reports whether anything in f may end what is open.
func (f *held) ends() bool {
	for h := f; h != nil; h = h.other {
		if a := actionName(h.strength); verdict.Suspends(a) || a == verdict.ActionReadOnly {
			return true
		}
	}
	return false
}

// swept returns f without what lapsed before the horizon, nil when nothing is
// left, and how many went. An operator's clears stay while there is something
// that they may void.
func (f *held) swept(horizon time.Time) (*held, int64) {
	before := nanoseconds(horizon)
	next, gone, others := f, int64(0), false
	for h := f; h != nil; h = h.other {
		switch {
		case h.authority == authorityOperator:
		case h.until < before:
			next = next.without(h.authority)
			gone++
		default:
			others = true
		}
	}
	op := next.by(authorityOperator)
	if op != nil && op.until < before && (op.clears == nil || !others) {
		next = next.without(authorityOperator)
		gone++
	}
	return next, gone
}
