package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// The requests of one session share what is known of their standing: it must change
// with whatever it depends on.
func TestAStandingIsNeverOld(t *testing.T) {
	now := t0
	tests := map[string]struct {
		before, after func(tab *session.Table)
		want          string
	}{
		"a verdict that came since": {
			after: func(tab *session.Table) { tab.Apply(says(1, "throttle", "session", "s"), t0) },
			want:  "throttle",
		},
		"a verdict about the network that came since": {
			after: func(tab *session.Table) { tab.Apply(says(1, "throttle", "prefix", "192.0.0.0/9"), t0) },
			want:  "throttle",
		},
		"a verdict that lapses": {
			before: func(tab *session.Table) { tab.Apply(says(1, "block", "subject", "u", until(t0.Add(time.Minute))), t0) },
			after:  func(*session.Table) { now = t0.Add(time.Minute) },
		},
		"the stronger of two that lapses": {
			before: func(tab *session.Table) {
				tab.Apply(says(1, "block", "subject", "u", until(t0.Add(time.Minute))), t0)
				tab.Apply(says(1, "throttle", "session", "s"), t0)
			},
			after: func(*session.Table) { now = t0.Add(time.Minute) },
			want:  "throttle",
		},
		"a verdict that is lifted": {
			before: func(tab *session.Table) { tab.Apply(says(1, "block", "session", "s"), t0) },
			after:  func(tab *session.Table) { tab.Apply(says(1, "observe", "session", "s", clears("subject", 1, 1)), t0) },
			want:   "observe",
		},
		"a clock that is turned back": {
			before: func(tab *session.Table) {
				now = t0.Add(2 * time.Minute)
				tab.Apply(says(1, "block", "session", "s", until(t0.Add(time.Minute)), clears("feed", 1, 1)), t0)
			},
			after: func(*session.Table) { now = t0 },
			want:  "block",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			now = t0
			tab := newTable(t, session.DefaultConfig(), func() time.Time { return now })
			if tt.before != nil {
				tt.before(tab)
			}
			_, v := tab.Enter(t.Context(), session.Entry{Who: visitor(), Route: "r"})
			v.Standing()
			tt.after(tab)
			_, next := tab.Enter(t.Context(), session.Entry{Who: visitor(), Route: "r"})
			got := []string{v.Standing().Action, next.Standing().Action}
			if got[0] != tt.want || got[1] != tt.want {
				t.Errorf("standing = %q, want %q for both", got, tt.want)
			}
		})
	}
}

// Whoever differs in anything that a verdict can name or depends on is judged apart.
func TestWhoDiffersIsJudgedApart(t *testing.T) {
	tests := map[string]struct {
		change func(e *session.Entry)
		target *verdict.Target
	}{
		"session":                    {func(e *session.Entry) { e.Who.Session = "s2" }, &verdict.Target{Kind: "session", Id: "s2"}},
		"alias":                      {func(e *session.Entry) { e.Who.Aliases = []string{"other"} }, &verdict.Target{Kind: "session", Id: "other"}},
		"subject":                    {func(e *session.Entry) { e.Who.Subject = "u2" }, &verdict.Target{Kind: "subject", Id: "u2"}},
		"account of a linked person": {func(e *session.Entry) { e.Who.LinkedAccount = "u2" }, &verdict.Target{Kind: "subject", Id: "u2"}},
		"token":                      {func(e *session.Entry) { e.Who.TokenID = "t2" }, &verdict.Target{Kind: "token", Id: "t2"}},
		"device":                     {func(e *session.Entry) { e.Who.Device = "d2" }, &verdict.Target{Kind: "device", Id: "d2"}},
		"client":                     {func(e *session.Entry) { e.Who.ClientID = "c2" }, &verdict.Target{Kind: "client", Id: "c2"}},
		"account":                    {func(e *session.Entry) { e.Who.Account = "a2" }, &verdict.Target{Kind: "account", Id: "a2"}},
		"ja4":                        {func(e *session.Entry) { e.Who.JA4 = "j2" }, &verdict.Target{Kind: "ja4", Id: "j2"}},
		"network":                    {func(e *session.Entry) { e.Who.ASN = 64501 }, &verdict.Target{Kind: "ja4", Id: "j@AS64501"}},
		"address":                    {func(e *session.Entry) { e.Who.Address = netip.MustParseAddr("192.0.2.8") }, &verdict.Target{Kind: "address", Id: "192.0.2.8"}},
		"route":                      {func(e *session.Entry) { e.Route = "r2" }, &verdict.Target{Kind: "route", Id: "r2"}},
		"tenant":                     {func(e *session.Entry) { e.Who.Tenant = "other" }, nil},
		"public":                     {func(e *session.Entry) { e.Public = true }, nil},
		"auth time":                  {func(e *session.Entry) { e.Who.AuthTime = t0.Add(2 * time.Minute) }, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tab := newTable(t, session.DefaultConfig(), nil)
			first := session.Entry{Who: visitor(), Route: "r"}
			first.Who.AuthTime = t0.Add(-time.Hour)
			other := first
			tt.change(&other)
			_, a := tab.Enter(t.Context(), first)
			_, b := tab.Enter(t.Context(), other)
			want := [2]string{"", "block"}
			if tt.target == nil { // What is said of the first does not touch the other.
				want = [2]string{"block", ""}
				tab.Apply(says(1, "block", "session", "s", notBefore(t0.Add(time.Minute))), t0)
			} else {
				tab.Apply(says(1, "block", tt.target.GetKind(), tt.target.GetId()), t0)
			}
			if got := [2]string{a.Standing().Action, b.Standing().Action}; got != want {
				t.Errorf("standings = %q, want %q", got, want)
			}
		})
	}
}

// More parties than are remembered come and go: those that are open are never
// forgotten, and nothing stays of the others.
func TestMorePartiesThanAreRemembered(t *testing.T) {
	n := 40_000
	if testing.Short() {
		n = 20_000
	}
	tab := newTable(t, session.DefaultConfig(), nil)
	who := func(i int) session.Who {
		return session.Who{
			Session: fmt.Sprint("s", i), Subject: fmt.Sprint("u", i), SubjectKind: event.SubjectHuman,
			Address: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}),
		}
	}
	ctx, open := tab.Enter(t.Context(), session.Entry{Who: who(0), Route: "r"})
	defer open.Leave()
	before := heap()
	for i := 1; i < n; i++ {
		_, v := tab.Enter(t.Context(), session.Entry{Who: who(i), Route: "r"})
		v.Leave()
	}
	if grown := heap() - before; grown > partiesBytesMax {
		t.Errorf("%d parties that have left hold %d B, more than %d", n, grown, int64(partiesBytesMax))
	}
	if live := len(tab.Live()); live != 1 {
		t.Errorf("%d visits are open, want 1", live)
	}
	tab.Apply(says(1, "revoke", "session", "s0"), t0)
	_, cut := errors.AsType[*session.Cut](context.Cause(ctx))
	if !cut {
		t.Error("a party whose visit is open was forgotten: its verdict did not reach it")
	}
	runtime.KeepAlive(tab)
}

// partiesBytesMax is what 16,384 remembered parties may take.
const partiesBytesMax = 64 << 20

// All visits of many parties open at once, more than are remembered, are reached by
// what they have in common.
func TestAVerdictReachesEveryParty(t *testing.T) {
	tab := newTable(t, session.DefaultConfig(), nil)
	const n = 20_000
	var ctxs []context.Context
	for i := range n {
		w := visitor()
		w.Session, w.Aliases = fmt.Sprint("s", i), nil
		ctx, v := tab.Enter(t.Context(), session.Entry{Who: w, Route: "r"})
		defer v.Leave()
		ctxs = append(ctxs, ctx)
	}
	tab.Apply(says(1, "revoke", "subject", "u"), t0)
	for i, ctx := range ctxs {
		if ctx.Err() == nil {
			t.Fatalf("visit %d is still open", i)
		}
	}
}

// A visit whose context is made only after its verdict has come begins ended.
func TestAContextThatComesAfterTheCut(t *testing.T) {
	tab := newTable(t, session.DefaultConfig(), nil)
	for round := range 2 {
		var v session.Visit
		err := tab.List(&v, &session.Entry{Who: visitor(), Route: "r"})
		if err != nil {
			t.Fatal(err)
		}
		tab.Apply(says(uint64(round+1), "revoke", "session", "s"), t0)
		ctx := v.Context(t.Context())
		_, cut := errors.AsType[*session.Cut](context.Cause(ctx))
		if !cut {
			t.Fatalf("round %d: cause = %v, want a cut", round, context.Cause(ctx))
		}
		v.Leave()
	}
}

// Who looks at all visits finds some that leave meanwhile. That one of them has come
// anew in another's name, in the same memory, once was the end of whoever looked.
func TestAVisitIsListedOnce(t *testing.T) {
	tab := newTable(t, session.DefaultConfig(), nil)
	var v session.Visit
	err := tab.List(&v, &session.Entry{Who: visitor(), Route: "r"})
	if err != nil {
		t.Fatal(err)
	}
	v.Leave()
	err = tab.List(&v, &session.Entry{Who: visitor(), Route: "r", Public: true})
	if err == nil || tab.Visits() != 0 {
		t.Errorf("it is listed again: %v, %d visits", err, tab.Visits())
	}
}

// Requests of one party come and go while verdicts about it come and are lifted,
// and the number of its open visits is kept right: with the limit of one, no two are
// ever open, and none is refused for ever.
func TestVisitsOfASessionAreCounted(t *testing.T) {
	c := session.DefaultConfig()
	c.VisitsPerSessionMax = 1
	tab := newTable(t, c, nil)
	var open, served atomic.Int64
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2_000 {
				w := visitor()
				w.TokenID = fmt.Sprint("t", (g+i)%3) // Three parties of one session.
				_, v := tab.Enter(t.Context(), session.Entry{Who: w, Route: "r"})
				if v.Err() == nil {
					served.Add(1)
					if open.Add(1) > 1 {
						t.Error("two visits of a session are open, the limit is one")
					}
					runtime.Gosched()
					open.Add(-1)
				}
				v.Leave()
			}
		})
	}
	wg.Wait()
	_, last := tab.Enter(t.Context(), session.Entry{Who: visitor(), Route: "r"})
	if last.Err() != nil || served.Load() == 0 || tab.Visits() != 1 {
		t.Errorf("last = %v, served %d, visits %d", last.Err(), served.Load(), tab.Visits())
	}
	last.Leave()
}

// A request whose party is known needs no memory to be listed and judged.
func TestAKnownPartyNeedsNoMemory(t *testing.T) {
	tab := newTable(t, session.DefaultConfig(), nil)
	var visits [101]session.Visit // One for the run that warms up.
	next := 0
	e := session.Entry{Who: visitor(), Route: "r"}
	allocations := testing.AllocsPerRun(100, func() {
		v := &visits[next]
		next++
		err := tab.List(v, &e)
		if err != nil {
			t.Fatal(err)
		}
		v.Standing()
		v.Leave()
	})
	if allocations > 0 {
		t.Errorf("%v allocations, want none", allocations)
	}
}

// A verdict that arrives while a known party's next request is being listed still
// applies to it: what was found for the last one must not be taken for its standing.
// The verdict is about many parties, so that it takes a while to look for visits.
func TestApplyAndEnterRaceOfAKnownParty(t *testing.T) {
	rounds := 20_000
	if testing.Short() {
		rounds = 4_000
	}
	tab := newTable(t, session.DefaultConfig(), nil)
	entry := func(i int) session.Entry {
		w := visitor()
		w.TokenID = fmt.Sprint("t", i)
		return session.Entry{Who: w, Route: "r"}
	}
	for i := range 100 {
		_, v := tab.Enter(t.Context(), entry(i))
		v.Standing()
		v.Leave()
	}
	for i := range rounds {
		tab.Apply(says(uint64(2*i+1), "observe", "subject", "u"), t0)
		_, known := tab.Enter(t.Context(), entry(0))
		known.Standing()
		known.Leave()
		var wg sync.WaitGroup
		start := make(chan struct{})
		wg.Go(func() {
			<-start
			tab.Apply(says(uint64(2*i+2), "revoke", "subject", "u"), t0)
		})
		close(start)
		for range i % 8 { // Wherever the other is.
			runtime.Gosched()
		}
		ctx, v := tab.Enter(t.Context(), entry(0))
		admitted := v.Standing().Action == "observe"
		wg.Wait()
		if admitted && ctx.Err() == nil {
			t.Fatalf("round %d: the verdict was missed", i)
		}
		v.Leave()
	}
}
