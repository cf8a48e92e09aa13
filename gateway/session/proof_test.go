package session_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/session"
)

// proof is a credential by its end.
type proof struct{ end time.Time }

func (p *proof) End() time.Time { return p.end }

// A session is known by the last to end of what it has shown while it is open, another's
// does not count, and what nobody has open is forgotten.
func TestNewestProofOfASession(t *testing.T) {
	tab := newTable(t, session.DefaultConfig(), nil)
	enter := func(who session.Who, p session.Proof) *session.Visit {
		_, v := tab.Enter(t.Context(), session.Entry{Who: who, Proof: p, Time: t0})
		return v
	}
	first, next, late, forever := &proof{t0.Add(time.Minute)}, &proof{t0.Add(2 * time.Minute)}, &proof{t0.Add(time.Minute)}, new(proof)
	stream := enter(session.Who{Session: "s", TokenID: "a", Subject: "u"}, first)
	expect := func(want session.Proof, why string) {
		t.Helper()
		if got := stream.Newest(); got != want {
			t.Errorf("%s: newest proof is %v, want %v", why, got, want)
		}
	}
	expect(first, "its own")
	enter(session.Who{Session: "other", TokenID: "x", Subject: "u"}, forever).Leave()
	expect(first, "after another session of the same person")
	enter(session.Who{Session: "other", TokenID: "s", Subject: "s"}, forever).Leave()
	expect(first, "after a token of the session's name")
	enter(session.Who{Session: "s", TokenID: "b", Subject: "u"}, next).Leave()
	expect(next, "after a newer one")
	enter(session.Who{Session: "s", TokenID: "c", Subject: "u"}, late).Leave()
	expect(next, "after an older one")
	enter(session.Who{Session: "s", TokenID: "d", Subject: "u"}, nil).Leave()
	expect(next, "after none")
	enter(session.Who{Session: "s", TokenID: "e", Subject: "u"}, forever).Leave()
	expect(forever, "after one without an end")
	enter(session.Who{Session: "s", TokenID: "f", Subject: "u"}, &proof{t0.Add(time.Hour)}).Leave()
	expect(forever, "after one with an end again")

	_, nobody := tab.Enter(t.Context(), session.Entry{Time: t0})
	if got := nobody.Newest(); got != nil {
		t.Errorf("nobody has the proof %v", got)
	}
}

// Expire ends a visit once, and says that no verdict did.
func TestExpire(t *testing.T) {
	tab := newTable(t, session.DefaultConfig(), nil)
	ctx, v := tab.Enter(t.Context(), session.Entry{Who: session.Who{Session: "s"}, Time: t0})
	v.Expire()
	cut, _ := errors.AsType[*session.Cut](context.Cause(ctx))
	if cut == nil || !cut.Expired || cut.Verdict != nil {
		t.Fatalf("cause %v, want an end by expiry", context.Cause(ctx))
	}
	if got := cut.Error(); got != "cut at the end of its credential" {
		t.Errorf("it says %q", got)
	}
	v.Leave()
	v.Expire() // Too late to mean anything.
}
