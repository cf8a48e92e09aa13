package session_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newTable(t *testing.T, c session.Config, now func() time.Time) *session.Table {
	t.Helper()
	if now == nil {
		now = func() time.Time { return t0 }
	}
	tab, err := session.New(session.Options{
		Config: c, Tenant: "default", Logger: slog.New(slog.DiscardHandler),
		Meter: noop.Meter{}, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// says builds a verdict of the subject stage that lasts an hour.
func says(seq uint64, action, kind, id string, change ...func(*verdict.Verdict)) *verdict.Verdict {
	v := &verdict.Verdict{
		Id: fmt.Sprintf("v%d", seq), Time: timestamppb.New(t0), Epoch: 1, Seq: seq, Authority: verdict.AuthoritySubject,
		Tenant: "default", Target: &verdict.Target{Kind: kind, Id: id}, Action: action, Until: timestamppb.New(t0.Add(time.Hour)),
	}
	for _, c := range change {
		c(v)
	}
	return v
}

func by(authority string) func(*verdict.Verdict) {
	return func(v *verdict.Verdict) { v.Authority = authority }
}

func until(at time.Time) func(*verdict.Verdict) {
	return func(v *verdict.Verdict) { v.Until = timestamppb.New(at) }
}

func notBefore(at time.Time) func(*verdict.Verdict) {
	return func(v *verdict.Verdict) { v.NotBefore = timestamppb.New(at) }
}

func clears(authority string, epoch, seq uint64) func(*verdict.Verdict) {
	return func(v *verdict.Verdict) {
		v.Authority = verdict.AuthorityOperator
		v.Clears = append(v.Clears, &verdict.Clear{Authority: authority, Epoch: epoch, Seq: seq})
	}
}

func visitor() session.Who {
	return session.Who{
		Subject: "u", Session: "s", Aliases: []string{"s-alias"}, TokenID: "t", Device: "d", ClientID: "c",
		Account: "a", JA4: "j", SubjectKind: event.SubjectHuman, Address: netip.MustParseAddr("192.0.2.7"), ASN: 64500,
	}
}

// A verdict reaches a visit under every name of its target, and under no other.
func TestEveryNameOfAVisitIsATarget(t *testing.T) {
	tests := map[string]struct {
		kind, id string
		who      func(*session.Who)
		want     bool
	}{
		"session":                           {kind: verdict.TargetSession, id: "s", want: true},
		"alias of the session":              {kind: verdict.TargetSession, id: "s-alias", want: true},
		"subject":                           {kind: verdict.TargetSubject, id: "u", want: true},
		"token":                             {kind: verdict.TargetToken, id: "t", want: true},
		"device":                            {kind: verdict.TargetDevice, id: "d", want: true},
		"client":                            {kind: verdict.TargetClient, id: "c", want: true},
		"account":                           {kind: verdict.TargetAccount, id: "a", want: true},
		"ja4":                               {kind: verdict.TargetJA4, id: "j", want: true},
		"ja4 in its network":                {kind: verdict.TargetJA4, id: "j@AS64500", want: true},
		"ja4 in another network":            {kind: verdict.TargetJA4, id: "j@AS64501"},
		"route":                             {kind: verdict.TargetRoute, id: "r", want: true},
		"address":                           {kind: verdict.TargetAddress, id: "192.0.2.7", want: true},
		"address in its IPv6 form":          {kind: verdict.TargetAddress, id: "::ffff:192.0.2.7", want: true},
		"prefix as long as a bucket":        {kind: verdict.TargetPrefix, id: "192.0.2.0/24", want: true},
		"longer prefix":                     {kind: verdict.TargetPrefix, id: "192.0.2.0/29", want: true},
		"shorter prefix":                    {kind: verdict.TargetPrefix, id: "192.0.0.0/16", want: true},
		"prefix with host bits":             {kind: verdict.TargetPrefix, id: "192.0.2.99/24", want: true},
		"prefix in its IPv6 form":           {kind: verdict.TargetPrefix, id: "::ffff:192.0.2.0/120", want: true},
		"everything":                        {kind: verdict.TargetPrefix, id: "0.0.0.0/0", want: true},
		"longer prefix beside it":           {kind: verdict.TargetPrefix, id: "192.0.2.8/29"},
		"another family":                    {kind: verdict.TargetPrefix, id: "::/0"},
		"another session":                   {kind: verdict.TargetSession, id: "s2"},
		"a subject of the session's name":   {kind: verdict.TargetSubject, id: "s"},
		"another address of the same /24":   {kind: verdict.TargetAddress, id: "192.0.2.8"},
		"nonsense where an address belongs": {kind: verdict.TargetAddress, id: "u"},
		"a kind that nobody knows":          {kind: "planet", id: "s"},
		"an IPv6 /64": {
			kind: verdict.TargetPrefix, id: "2001:db8:1:2::/64", want: true,
			who: func(w *session.Who) { w.Address = netip.MustParseAddr("2001:db8:1:2::9") },
		},
		"an IPv6 /32": {
			kind: verdict.TargetPrefix, id: "2001:db8::/32", want: true,
			who: func(w *session.Who) { w.Address = netip.MustParseAddr("2001:db8:1:2::9") },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			who := visitor()
			if tt.who != nil {
				tt.who(&who)
			}
			tab := newTable(t, session.DefaultConfig(), nil)
			ctx, open := tab.Enter(t.Context(), session.Entry{Who: who, Route: "r"})
			defer open.Leave()
			touched := len(tab.Touched("default", &verdict.Target{Kind: tt.kind, Id: tt.id})) == 1
			tab.Apply(says(1, verdict.ActionRevoke, tt.kind, tt.id), t0)
			_, next := tab.Enter(t.Context(), session.Entry{Who: who, Route: "r"})
			defer next.Leave()

			var cut *session.Cut
			got := []bool{errors.As(context.Cause(ctx), &cut), next.Standing().Action == verdict.ActionRevoke, touched}
			if diff := cmp.Diff([]bool{tt.want, tt.want, tt.want}, got); diff != "" {
				t.Errorf("cut, standing and dry run (-want +got):\n%s", diff)
			}
		})
	}
}

// What is in force is decided by order, authority, clears, time and proof.
func TestVerdictsFold(t *testing.T) {
	const s = verdict.TargetSession
	later := t0.Add(2 * time.Hour)
	tests := map[string]struct {
		verdicts []*verdict.Verdict
		at       time.Time
		entry    func(*session.Entry)
		want     string
	}{
		"nothing said": {},
		"one verdict":  {verdicts: []*verdict.Verdict{says(1, "throttle", s, "s")}, want: "throttle"},
		"the later wins though it is weaker": {
			verdicts: []*verdict.Verdict{says(1, "block", s, "s"), says(2, "throttle", s, "s")}, want: "throttle",
		},
		"the earlier has no effect when it comes second": {
			verdicts: []*verdict.Verdict{says(2, "throttle", s, "s"), says(1, "block", s, "s")}, want: "throttle",
		},
		"a higher epoch is later": {
			verdicts: []*verdict.Verdict{says(9, "block", s, "s"), says(1, "read_only", s, "s", func(v *verdict.Verdict) { v.Epoch = 2 })},
			want:     "read_only",
		},
		"the strongest of two authorities": {
			verdicts: []*verdict.Verdict{says(1, "step_up", s, "s"), says(5, "throttle", s, "s", by("facet"))}, want: "step_up",
		},
		"the strongest of two targets": {
			verdicts: []*verdict.Verdict{says(1, "throttle", s, "s"), says(1, "revoke", "subject", "u")}, want: "revoke",
		},
		"one that has lapsed": {verdicts: []*verdict.Verdict{says(1, "block", s, "s")}, at: t0.Add(time.Hour)},
		"one that had lapsed replaces an earlier one": {
			verdicts: []*verdict.Verdict{says(1, "block", s, "s", until(later)), says(2, "observe", s, "s", until(t0))}, want: "",
		},
		"cleared by an operator": {
			verdicts: []*verdict.Verdict{says(7, "block", s, "s"), says(1, "observe", s, "s", clears("subject", 1, 7))}, want: "observe",
		},
		"cleared before it came": {
			verdicts: []*verdict.Verdict{says(1, "observe", s, "s", clears("subject", 1, 7)), says(7, "block", s, "s")}, want: "observe",
		},
		"a clear does not lapse": {
			verdicts: []*verdict.Verdict{
				says(1, "observe", s, "s", clears("subject", 1, 7), until(t0)),
				says(7, "block", s, "s", until(later)),
			},
			at: t0.Add(time.Hour),
		},
		"news after the clear holds": {
			verdicts: []*verdict.Verdict{says(1, "observe", s, "s", clears("subject", 1, 7)), says(8, "block", s, "s")}, want: "block",
		},
		"a clear of another authority": {
			verdicts: []*verdict.Verdict{says(1, "observe", s, "s", clears("facet", 1, 7)), says(7, "block", s, "s")}, want: "block",
		},
		"authenticated before the cut-off": {
			verdicts: []*verdict.Verdict{says(1, "revoke", "subject", "u", notBefore(t0))},
			entry:    func(e *session.Entry) { e.Who.AuthTime = t0.Add(-time.Second) }, want: "revoke",
		},
		"authenticated at the cut-off": {
			verdicts: []*verdict.Verdict{says(1, "revoke", "subject", "u", notBefore(t0))},
			entry:    func(e *session.Entry) { e.Who.AuthTime = t0 },
		},
		"a person without auth_time but with a new token": {
			verdicts: []*verdict.Verdict{says(1, "revoke", "subject", "u", notBefore(t0))},
			entry:    func(e *session.Entry) { e.Who.IssuedAt = t0.Add(time.Minute) }, want: "revoke",
		},
		"a service with a new token": {
			verdicts: []*verdict.Verdict{says(1, "revoke", "subject", "u", notBefore(t0))},
			entry: func(e *session.Entry) {
				e.Who.SubjectKind = event.SubjectService
				e.Who.IssuedAt = t0.Add(time.Minute)
			},
		},
		"a service with an old token": {
			verdicts: []*verdict.Verdict{says(1, "revoke", "subject", "u", notBefore(t0))},
			entry: func(e *session.Entry) {
				e.Who.SubjectKind = event.SubjectService
				e.Who.IssuedAt = t0.Add(-time.Minute)
			},
			want: "revoke",
		},
		"stepped up since": {
			verdicts: []*verdict.Verdict{says(1, "step_up", s, "s")},
			entry:    func(e *session.Entry) { e.Who.AuthTime = t0.Add(time.Second) },
		},
		"came back since from who may not have asked": {
			verdicts: []*verdict.Verdict{says(1, "step_up", s, "s")},
			entry:    func(e *session.Entry) { e.Who.AuthTime, e.Who.Assumed = t0.Add(time.Second), true }, want: "step_up",
		},
		"a step-up that was done does not hide what is weaker": {
			verdicts: []*verdict.Verdict{says(1, "step_up", s, "s"), says(1, "read_only", s, "s", by("facet"))},
			entry:    func(e *session.Entry) { e.Who.AuthTime = t0.Add(time.Second) }, want: "read_only",
		},
		"the sign-in page for a revoked session": {
			verdicts: []*verdict.Verdict{says(1, "revoke", s, "s")},
			entry:    func(e *session.Entry) { e.Public = true },
		},
		"the sign-in page for a blocked address": {
			verdicts: []*verdict.Verdict{says(1, "block", "address", "192.0.2.7", by("facet"))},
			entry:    func(e *session.Entry) { e.Public = true }, want: "block",
		},
		"another tenant": {verdicts: []*verdict.Verdict{says(1, "block", s, "s", func(v *verdict.Verdict) { v.Tenant = "other" })}},
		"an authority that nobody knows": {
			verdicts: []*verdict.Verdict{says(1, "block", s, "s", by("nobody"))},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			now := t0
			tab := newTable(t, session.DefaultConfig(), func() time.Time { return now })
			for _, v := range tt.verdicts {
				tab.Apply(v, t0)
				tab.Apply(v, t0) // Delivery may repeat.
			}
			if !tt.at.IsZero() {
				now = tt.at
			}
			e := session.Entry{Who: visitor(), Route: "r"}
			if tt.entry != nil {
				tt.entry(&e)
			}
			_, v := tab.Enter(t.Context(), e)
			defer v.Leave()
			if got := v.Standing().Action; got != tt.want {
				t.Errorf("standing = %q, want %q", got, tt.want)
			}
		})
	}
}

// The ladder ends every open visit from step_up on, and only those it names.
func TestOnlyStepUpAndStrongerEndWhatIsOpen(t *testing.T) {
	for _, action := range []string{"observe", "throttle", "read_only", "step_up", "revoke", "block"} {
		t.Run(action, func(t *testing.T) {
			tab := newTable(t, session.DefaultConfig(), nil)
			ctx, v := tab.Enter(t.Context(), session.Entry{Who: visitor()})
			defer v.Leave()
			other := visitor()
			other.Session, other.Aliases = "s2", nil
			ctx2, v2 := tab.Enter(t.Context(), session.Entry{Who: other})
			defer v2.Leave()
			tab.Apply(says(1, action, verdict.TargetSession, "s"), t0)
			if got, want := ctx.Err() != nil, verdict.Suspends(action); got != want {
				t.Errorf("ended = %v, want %v", got, want)
			}
			if ctx2.Err() != nil {
				t.Error("a verdict about another session ended this one")
			}
		})
	}
}

// Who opened what he can write by before he was held to reading must not go on.
func TestWritingOnBehindReadOnly(t *testing.T) {
	for name, tt := range map[string]struct {
		writes bool
		stream string
		ends   bool
	}{
		"a WebSocket":                       {true, event.StreamWebSocket, true},
		"a WebSocket that is being opened":  {true, event.StreamRequest, true},
		"a gRPC call":                       {true, event.StreamGRPC, true},
		"an upload":                         {false, event.StreamUpload, true},
		"a download":                        {false, event.StreamDownload, false},
		"an event stream":                   {false, event.StreamSSE, false},
		"a request that is about to finish": {false, event.StreamRequest, false},
	} {
		t.Run(name, func(t *testing.T) {
			tab := newTable(t, session.DefaultConfig(), nil)
			ctx, v := tab.Enter(t.Context(), session.Entry{Who: visitor(), Writes: tt.writes})
			defer v.Leave()
			v.SetStream(tt.stream)
			tab.Apply(says(1, "throttle", verdict.TargetSession, "s"), t0)
			if ctx.Err() != nil {
				t.Error("slowing down ended it")
			}
			tab.Apply(says(2, "read_only", verdict.TargetSession, "s"), t0)
			if ended := ctx.Err() != nil; ended != tt.ends {
				t.Errorf("ended = %v, want %v", ended, tt.ends)
			}
		})
	}
}

// A body that trickles in was a request like any other when the verdict came.
func TestAnUploadThatShowsAfterReadOnly(t *testing.T) {
	tab := newTable(t, session.DefaultConfig(), nil)
	ctx, v := tab.Enter(t.Context(), session.Entry{Who: visitor()})
	defer v.Leave()
	tab.Apply(says(1, "read_only", verdict.TargetSession, "s"), t0)
	if ctx.Err() != nil {
		t.Fatal("a request was ended")
	}
	v.SetStream(event.StreamUpload)
	var cut *session.Cut
	if !errors.As(context.Cause(ctx), &cut) || cut.Verdict.GetId() != "v1" {
		t.Errorf("cause = %v, want a cut by v1", context.Cause(ctx))
	}
}

// A fold may bring another authority back into force.
func TestARestoreTakenBackEndsWhatIsOpen(t *testing.T) {
	tab := newTable(t, session.DefaultConfig(), nil)
	tab.Apply(says(7, "block", "session", "s"), t0)
	tab.Apply(says(1, "observe", "session", "s", clears("subject", 1, 7)), t0)
	ctx, v := tab.Enter(t.Context(), session.Entry{Who: visitor()})
	defer v.Leave()
	tab.Apply(says(2, "observe", "session", "s", by("operator")), t0) // The operator takes the restore back.
	var cut *session.Cut
	if !errors.As(context.Cause(ctx), &cut) || cut.Verdict.GetId() != "v7" {
		t.Errorf("cause = %v, want a cut by v7", context.Cause(ctx))
	}
}

// A verdict that arrives while a visit is being registered still applies to it.
func TestApplyAndEnterRace(t *testing.T) {
	targets := []verdict.Target{
		{Kind: verdict.TargetSession, Id: "s"},
		{Kind: verdict.TargetSession, Id: "s-alias"},
		{Kind: verdict.TargetPrefix, Id: "192.0.2.0/24"},
		{Kind: verdict.TargetPrefix, Id: "192.0.0.0/12"},
		{Kind: verdict.TargetRoute, Id: "r"},
	}
	for i := range 10_000 {
		tab := newTable(t, session.DefaultConfig(), nil)
		target := &targets[i%len(targets)]
		var wg sync.WaitGroup
		start := make(chan struct{})
		wg.Go(func() {
			<-start
			tab.Apply(says(1, "revoke", target.GetKind(), target.GetId()), t0)
		})
		close(start)
		ctx, v := tab.Enter(t.Context(), session.Entry{Who: visitor(), Route: "r"})
		admitted := v.Standing().Action == ""
		wg.Wait()
		if admitted && ctx.Err() == nil {
			t.Fatalf("round %d: the verdict about %s was missed", i, target.GetKind())
		}
		v.Leave()
	}
}

// Nothing stays behind after thousands of visits with verdicts in between.
func TestManyComeAndGo(t *testing.T) {
	tab := newTable(t, session.DefaultConfig(), nil)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				w := visitor()
				w.Session = fmt.Sprint("s", (g+i)%5)
				_, v := tab.Enter(t.Context(), session.Entry{Who: w, Route: "r"})
				if i%7 == 0 {
					tab.Apply(says(uint64(g*1000+i), "revoke", "session", w.Session), t0)
				}
				v.Standing()
				v.Leave()
				v.Leave() // Only the first counts.
			}
		})
	}
	wg.Wait()
	if n, open := tab.Visits(), len(tab.Live()); n != 0 || open != 0 {
		t.Errorf("visits = %d, live = %d after all have left", n, open)
	}
}

// Every maximum is reached once.
func TestLimits(t *testing.T) {
	t.Run("visits", func(t *testing.T) {
		c := session.DefaultConfig()
		c.VisitsMax = 2
		tab := newTable(t, c, nil)
		for i := range 3 {
			_, v := tab.Enter(t.Context(), session.Entry{Who: session.Who{Session: fmt.Sprint(i)}})
			defer v.Leave()
			if refused := errors.Is(v.Err(), session.ErrFull); refused != (i == 2) {
				t.Errorf("visit %d: %v", i, v.Err())
			}
		}
	})
	t.Run("visits of one session", func(t *testing.T) {
		c := session.DefaultConfig()
		c.VisitsPerSessionMax = 2
		tab := newTable(t, c, nil)
		var all []*session.Visit
		for i := range 3 {
			_, v := tab.Enter(t.Context(), session.Entry{Who: visitor()})
			all = append(all, v)
			if refused := errors.Is(v.Err(), session.ErrSessionFull); refused != (i == 2) {
				t.Errorf("visit %d: %v", i, v.Err())
			}
		}
		_, other := tab.Enter(t.Context(), session.Entry{Who: session.Who{Session: "another"}})
		if other.Err() != nil {
			t.Errorf("another session: %v", other.Err())
		}
		for _, v := range append(all, other) {
			v.Leave()
		}
		if tab.Visits() != 0 {
			t.Errorf("visits = %d after all have left", tab.Visits())
		}
	})
	t.Run("verdicts: the weakest go", func(t *testing.T) {
		c := session.DefaultConfig()
		c.VerdictsMax = 1000
		tab := newTable(t, c, nil)
		for i := range 400 {
			tab.Apply(says(1, "block", "session", fmt.Sprint("bad", i)), t0)
		}
		for i := range 20_000 {
			tab.Apply(says(1, "throttle", "session", fmt.Sprint("flood", i)), t0)
		}
		if n := tab.Verdicts(); n > 1000+64 {
			t.Errorf("%d verdicts are held, limit 1000", n)
		}
		for i := range 400 {
			_, v := tab.Enter(t.Context(), session.Entry{Who: session.Who{Session: fmt.Sprint("bad", i)}})
			if v.Standing().Action != "block" {
				t.Errorf("a flood of weak verdicts pushed out the block of session %d", i)
			}
			v.Leave()
		}
	})
	t.Run("verdicts: who signs in and out all day pushes nobody's out", func(t *testing.T) {
		c := session.DefaultConfig()
		c.VerdictsMax = 1000
		tab := newTable(t, c, nil)
		actions := []string{"block", "revoke", "step_up", "throttle"}
		for i := range 400 {
			tab.Apply(says(1, actions[i%4], "session", fmt.Sprint("bad", i)), t0)
		}
		for i := range 20_000 {
			tab.Apply(says(1, "revoke", "session", fmt.Sprint("out", i), by(session.AuthorityLogin), until(t0.Add(12*time.Hour))), t0)
		}
		for i := range 400 {
			_, v := tab.Enter(t.Context(), session.Entry{Who: session.Who{Session: fmt.Sprint("bad", i)}})
			if v.Standing().Action != actions[i%4] {
				t.Errorf("the %s of session %d is gone", actions[i%4], i)
			}
			v.Leave()
		}
	})
	t.Run("verdicts that go fill no log", func(t *testing.T) {
		now, lines := t0, new(strings.Builder)
		c := session.DefaultConfig()
		c.VerdictsMax = 100
		tab, err := session.New(session.Options{
			Config: c, Tenant: "default", Logger: slog.New(slog.NewTextHandler(lines, nil)), Meter: noop.Meter{}, Now: func() time.Time { return now },
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2000 {
			tab.Apply(says(1, "throttle", "session", fmt.Sprint("flood", i)), t0)
		}
		if n := strings.Count(lines.String(), "\n"); n != 1 {
			t.Errorf("%d lines about verdicts that were dropped at once, want 1", n)
		}
		now = t0.Add(time.Minute)
		for i := range 2000 {
			tab.Apply(says(1, "throttle", "session", fmt.Sprint("more", i)), t0)
		}
		said := regexp.MustCompile(`dropped=(\d+)`).FindAllStringSubmatch(lines.String(), -1)
		if len(said) != 2 {
			t.Fatalf("lines %q, want one more after a while", lines)
		}
		if n, _ := strconv.Atoi(said[1][1]); n < 1000 {
			t.Errorf("%d are told of, want all since the last line", n)
		}
	})
	t.Run("lapsed verdicts are swept", func(t *testing.T) {
		now := t0
		tab := newTable(t, session.DefaultConfig(), func() time.Time { return now })
		for i := range 1000 {
			tab.Apply(says(1, "block", "session", fmt.Sprint("s", i)), t0)
		}
		now = t0.Add(3 * time.Hour)
		for i := range 1000 {
			tab.Apply(says(1, "block", "session", fmt.Sprint("n", i), until(now.Add(time.Hour))), t0)
		}
		if n := tab.Verdicts(); n != 1000 {
			t.Errorf("%d verdicts are held, want the 1000 that live", n)
		}
	})
}

// The receipt carries both measured times.
func TestReceiptMeasuresFromTheOffendingEvent(t *testing.T) {
	tab := newTable(t, session.DefaultConfig(), nil)
	ctx, v := tab.Enter(t.Context(), session.Entry{Who: visitor(), Route: "r", RequestID: "q"})
	defer v.Leave()
	v.SetStream(event.StreamSSE)
	d := says(1, "revoke", "session", "s", func(v *verdict.Verdict) {
		v.Cause = &verdict.Cause{EventTime: timestamppb.New(t0.Add(-40 * time.Millisecond))}
		v.SupportCode = "VG-1"
		v.Evidence = []*verdict.Evidence{{Text: "secret"}}
	})
	tab.Apply(d, t0)
	var cut *session.Cut
	if !errors.As(context.Cause(ctx), &cut) {
		t.Fatalf("cause = %v", context.Cause(ctx))
	}
	if cut.Verdict.GetEvidence() != nil {
		t.Error("the table keeps evidence")
	}
	e := v.Receipt(cut, t0.Add(10*time.Millisecond))
	got := []any{e.GetVerdictId(), e.GetStream(), e.GetEventToCutUs(), e.GetApplyUs(), e.GetSession(), e.GetRequestId(), e.GetRoute(), e.GetSupportCode()}
	want := []any{"v1", "sse", int64(50_000), int64(10_000), "s", "q", "r", "VG-1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
}

// All faults come at once.
func TestConfigNamesEveryFault(t *testing.T) {
	err := session.Config{}.Validate()
	if err == nil || len(err.Error()) < 3*len("visits_max") {
		t.Errorf("Validate() = %v, want three faults", err)
	}
}

// The price of a visit with nine names.
func BenchmarkEnterStandingLeave(b *testing.B) {
	tab, err := session.New(session.Options{
		Config: session.DefaultConfig(), Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: func() time.Time { return t0 },
	})
	if err != nil {
		b.Fatal(err)
	}
	e := session.Entry{Who: visitor(), Route: "r"}
	b.ReportAllocs()
	for b.Loop() {
		_, v := tab.Enter(b.Context(), e)
		v.Standing()
		v.Leave()
	}
}
