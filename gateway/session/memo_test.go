package session_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Whoever comes with the same token but differs in what a token does not say is
// judged apart, although the token remembers who came last.
func TestWhoDiffersWithTheSameTokenIsJudgedApart(t *testing.T) {
	tests := map[string]struct {
		change func(e *session.Entry)
		target *verdict.Target
	}{
		"device":  {func(e *session.Entry) { e.Who.Device = "d2" }, &verdict.Target{Kind: "device", Id: "d2"}},
		"account": {func(e *session.Entry) { e.Who.Account = "a2" }, &verdict.Target{Kind: "account", Id: "a2"}},
		"ja4":     {func(e *session.Entry) { e.Who.JA4 = "j2" }, &verdict.Target{Kind: "ja4", Id: "j2"}},
		"network": {func(e *session.Entry) { e.Who.ASN = 64501 }, &verdict.Target{Kind: "ja4", Id: "j@AS64501"}},
		"address": {func(e *session.Entry) { e.Who.Address = netip.MustParseAddr("192.0.2.8") }, &verdict.Target{Kind: "address", Id: "192.0.2.8"}},
		"route":   {func(e *session.Entry) { e.Route = "r2" }, &verdict.Target{Kind: "route", Id: "r2"}},
		"tenant":  {func(e *session.Entry) { e.Who.Tenant = "other" }, nil},
		"public":  {func(e *session.Entry) { e.Public = true }, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tab := newTable(t, session.DefaultConfig(), nil)
			first := session.Entry{Who: visitor(), Route: "r", Memo: new(session.Memo)}
			other := first
			tt.change(&other)
			_, a := tab.Enter(t.Context(), first)
			_, b := tab.Enter(t.Context(), other)
			_, again := tab.Enter(t.Context(), first)
			want := [3]string{"", "block", ""}
			if tt.target == nil { // What is said of the first does not touch the other.
				want = [3]string{"block", "", "block"}
				tab.Apply(says(1, "block", "session", "s"), t0)
			} else {
				tab.Apply(says(1, "block", tt.target.GetKind(), tt.target.GetId()), t0)
			}
			if got := [3]string{a.Standing().Action, b.Standing().Action, again.Standing().Action}; got != want {
				t.Errorf("standings = %q, want %q", got, want)
			}
		})
	}
}

// A verdict that comes between two requests of a token meets the second, and so does
// the limit of a session's requests.
func TestARememberedTokenIsJudgedEachTime(t *testing.T) {
	c := session.DefaultConfig()
	c.VisitsPerSessionMax = 2
	tab := newTable(t, c, nil)
	e := session.Entry{Who: visitor(), Route: "r", Memo: new(session.Memo)}
	_, v := tab.Enter(t.Context(), e)
	if got := v.Standing().Action; got != "" {
		t.Fatalf("standing %q before anything was said", got)
	}
	v.Leave()
	tab.Apply(says(1, "revoke", "session", "s"), t0)
	ctx, v := tab.Enter(t.Context(), e)
	if got := v.StandingAt(t0.Add(time.Second)).Action; got != "revoke" {
		t.Errorf("standing %q, want revoke", got)
	}
	_, second := tab.Enter(t.Context(), e)
	_, third := tab.Enter(t.Context(), e)
	if second.Err() != nil || third.Err() == nil {
		t.Errorf("errors of the second and third open request: %v, %v", second.Err(), third.Err())
	}
	tab.Apply(says(2, "block", "session", "s"), t0)
	if ctx.Err() == nil {
		t.Error("an open request is not ended")
	}
}
