package session_test

import (
	"context"
	"errors"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/session"
)

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
