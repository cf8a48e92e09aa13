package channel_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Whoever can write to the topic and has no key, or not the right one, brings nothing
// about. The victim's session is "victim", the twin's "twin".
func TestHostileRecordsHaveNoEffect(t *testing.T) {
	l := newLine(t)
	g := l.openGate(t, t.TempDir()).run(t)
	payload := func(v *verdict.Verdict) []byte {
		v.Kid = "a-1"
		b, err := v.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	operators := func(v *verdict.Verdict) {
		v.Authority, v.Epoch = verdict.AuthorityOperator, uint64(v.Time.AsTime().Unix())
	}
	lasts := func(d time.Duration) func(*verdict.Verdict) {
		return func(v *verdict.Verdict) { v.Until = timestamppb.New(v.Time.AsTime().Add(d)) }
	}
	does := func(action string) func(*verdict.Verdict) { return func(v *verdict.Verdict) { v.Action = action } }
	key := func(c byte) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{c}, ed25519.SeedSize))
	}
	retired, next := verdict.NewSigner("retired", key('p')), verdict.NewSigner("next", key('n'))
	tests := map[string]struct {
		hostile func(v *verdict.Verdict) []byte
		twin    func(v *verdict.Verdict) []byte
		reason  string // Under which it is counted.
	}{
		"forged without a key": {
			func(v *verdict.Verdict) []byte { return payload(v) },
			func(v *verdict.Verdict) []byte { return l.raw(payload(v)) }, "unsigned",
		},
		"forged by a key of its own under the analyzer's name": {
			func(v *verdict.Verdict) []byte { return sealed(t, l.stranger, v) },
			func(v *verdict.Verdict) []byte { return sealed(t, l.analyzer, v) }, "wrong_signature",
		},
		"forged by a key that nobody lists": {
			func(v *verdict.Verdict) []byte { return sealed(t, verdict.NewSigner("x", key('x')), v) },
			func(v *verdict.Verdict) []byte { return sealed(t, l.analyzer, v) }, "unknown_key",
		},
		"forged by a key whose time is over": {
			func(v *verdict.Verdict) []byte { return sealed(t, retired, v) },
			func(v *verdict.Verdict) []byte { return sealed(t, l.analyzer, v) }, "not_in_force",
		},
		"forged by a key whose time has not come": {
			func(v *verdict.Verdict) []byte { return sealed(t, next, v) },
			func(v *verdict.Verdict) []byte { return sealed(t, l.analyzer, v) }, "not_in_force",
		},
		"an operator's key for what only analyzers judge": {
			func(v *verdict.Verdict) []byte { return sealed(t, l.operator, v) },
			func(v *verdict.Verdict) []byte { operators(v); return sealed(t, l.operator, v) }, "wrong_authority",
		},
		"an analyzer's key for what only operators say": {
			func(v *verdict.Verdict) []byte { operators(v); return sealed(t, l.analyzer, v) },
			func(v *verdict.Verdict) []byte { operators(v); return sealed(t, l.operator, v) }, "wrong_authority",
		},
		"truncated": {
			func(v *verdict.Verdict) []byte { b := sealed(t, l.analyzer, v); return b[:len(b)/2] },
			func(v *verdict.Verdict) []byte { return sealed(t, l.analyzer, v) }, "unsigned",
		},
		"truncated within its signature": {
			func(v *verdict.Verdict) []byte { b := sealed(t, l.analyzer, v); return b[:len(b)-8] },
			func(v *verdict.Verdict) []byte { return sealed(t, l.analyzer, v) }, "wrong_signature",
		},
		"expired": {
			func(v *verdict.Verdict) []byte { lasts(-time.Second)(v); return sealed(t, l.analyzer, v) },
			func(v *verdict.Verdict) []byte { lasts(time.Hour)(v); return sealed(t, l.analyzer, v) }, "expired",
		},
		"an unknown action": {
			func(v *verdict.Verdict) []byte { does("annihilate")(v); return sealed(t, l.analyzer, v) },
			func(v *verdict.Verdict) []byte { does(verdict.ActionBlock)(v); return sealed(t, l.analyzer, v) }, "malformed",
		},
		"no target": {
			func(v *verdict.Verdict) []byte { v.Target.Id = ""; return sealed(t, l.analyzer, v) },
			func(v *verdict.Verdict) []byte { return sealed(t, l.analyzer, v) }, "malformed",
		},
		"valid protobuf that is not canonical": {
			func(v *verdict.Verdict) []byte { return l.raw(append(payload(v), payload(says("somebody", 1))...)) },
			func(v *verdict.Verdict) []byte { return l.raw(payload(v)) }, "malformed",
		},
		"rubbish of almost an envelope's size": {
			func(*verdict.Verdict) []byte { return bytes.Repeat([]byte("a"), 900<<10) },
			func(v *verdict.Verdict) []byte { return sealed(t, l.analyzer, v) }, "unsigned",
		},
	}
	seq := uint64(0)
	for name, tt := range tests {
		seq++
		t.Run(name, func(t *testing.T) {
			victim, twin := fmt.Sprint("victim", seq), fmt.Sprint("twin", seq)
			before := g.Stats()
			l.write(t, "k"+name, tt.hostile(says(victim, 1)), tt.twin(says(twin, 1)))
			until(t, "the twin takes effect", func() bool { return g.standing(twin) != "" })
			if got := g.standing(victim); got != "" {
				t.Errorf("the victim is under %s", got)
			}
			until(t, "both are counted", func() bool { // After they take effect.
				after := g.Stats()
				return after.Refused[tt.reason] == before.Refused[tt.reason]+1 && after.Applied == before.Applied+1
			})
		})
	}
}

// A verdict about another tenant's session of the same name is that tenant's.
func TestAnotherTenantsVerdict(t *testing.T) {
	l := newLine(t)
	g := l.openGate(t, t.TempDir()).run(t)
	other := says("s", 1)
	other.Tenant = "other"
	l.write(t, "k", sealed(t, l.analyzer, other))
	theirs := func(w *session.Who) { w.Tenant = "other" }
	until(t, "the other tenant's session ends", func() bool { return g.standing("s", theirs) == verdict.ActionRevoke })
	if got := g.standing("s"); got != "" {
		t.Errorf("our session of the same name is under %s", got)
	}
	l.write(t, "k", sealed(t, l.analyzer, says("s", 1)))
	until(t, "ours ends by a verdict of our tenant", func() bool { return g.standing("s") == verdict.ActionRevoke })
}

// Records that were valid once are of no effect when they come again, late, or twice.
func TestValidRecordsOutOfTheirPlace(t *testing.T) {
	l := newLine(t)
	g := l.openGate(t, t.TempDir()).run(t)
	g.readAgain(t, l)
	does := func(action string) func(*verdict.Verdict) { return func(v *verdict.Verdict) { v.Action = action } }
	in := func(epoch uint64) func(*verdict.Verdict) { return func(v *verdict.Verdict) { v.Epoch = epoch } }
	lifts := func(v *verdict.Verdict) {
		v.Authority, v.Action = verdict.AuthorityOperator, verdict.ActionObserve
		v.Clears = []*verdict.Clear{{Authority: verdict.AuthoritySubject, Epoch: 1, Seq: 5}}
	}
	by := func(s verdict.Signer, v *verdict.Verdict) func() []byte {
		return func() []byte { return sealed(t, s, v) }
	}
	first := says("replayed", 5)
	tests := map[string]struct {
		id      string
		records []func() []byte
		want    string
		stale   uint64
		repeats uint64
	}{
		"the old envelope again after a restore": {
			"replayed", []func() []byte{by(l.analyzer, first), by(l.operator, says("replayed", 1, lifts)), by(l.analyzer, first)}, "", 0, 1,
		},
		"an old restore again after a new revoke": {
			"restored", []func() []byte{
				by(l.analyzer, says("restored", 5)), by(l.operator, says("restored", 1, lifts)),
				by(l.analyzer, says("restored", 6)), by(l.operator, says("restored", 1, lifts)),
			}, verdict.ActionRevoke, 0, 1,
		},
		"an envelope of an earlier epoch with a higher number": {
			"epochs",
			[]func() []byte{by(l.analyzer, says("epochs", 1, in(2))), by(l.analyzer, says("epochs", 99, in(1), does(verdict.ActionThrottle)))},
			verdict.ActionRevoke, 1, 0,
		},
		"number two before number one": {
			"reordered",
			[]func() []byte{by(l.analyzer, says("reordered", 2)), by(l.analyzer, says("reordered", 1, does(verdict.ActionThrottle)))},
			verdict.ActionRevoke, 1, 0,
		},
		"number one before number two": {
			"ordered",
			[]func() []byte{by(l.analyzer, says("ordered", 1, does(verdict.ActionThrottle))), by(l.analyzer, says("ordered", 2))},
			verdict.ActionRevoke, 0, 0,
		},
		"the same twice": {
			"twice", []func() []byte{by(l.analyzer, says("twice", 1)), by(l.analyzer, says("twice", 1))}, verdict.ActionRevoke, 0, 1,
		},
		"another under the same number": {
			"numbered",
			[]func() []byte{by(l.analyzer, says("numbered", 1)), by(l.analyzer, says("numbered", 1, does(verdict.ActionObserve)))},
			verdict.ActionRevoke, 0, 1,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := g.Stats()
			for _, record := range tt.records {
				l.write(t, "k"+name, record())
			}
			last := "after " + tt.id
			l.write(t, "k", sealed(t, l.analyzer, says(last, 1)))
			until(t, "all is read", func() bool { return g.standing(last) != "" })
			after := g.Stats()
			if got := g.standing(tt.id); got != tt.want {
				t.Errorf("standing %q, want %q", got, tt.want)
			}
			if s, r := after.Refused["stale"]-before.Refused["stale"], after.Repeated-before.Repeated; s != tt.stale || r != tt.repeats {
				t.Errorf("%d stale and %d repeated, want %d and %d", s, r, tt.stale, tt.repeats)
			}
		})
	}
}

// Somebody cuts the topic back to where a session was not revoked yet, or compacts
// it. The gateway that knew stays as it was; one that has never been here, after
// compaction, stands as the other.
func TestATopicThatIsCutOrCompacted(t *testing.T) {
	l := newLine(t)
	p := l.adopt(t, l.announcer(t))
	announce := func(offset int64, id, action string) {
		t.Helper()
		err := p.Announce(t.Context(), []announcement{finding(offset, verdict.TargetSession, id, action)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range int64(30) { // Each key is written often: compaction leaves one of them.
		id := fmt.Sprint("s", i%3)
		action := verdict.ActionThrottle
		switch {
		case i >= 20:
			action = verdict.ActionStepUp
		case i == 7:
			action = verdict.ActionRevoke
		}
		announce(i, id, action)
	}
	g := l.openGate(t, t.TempDir()).run(t)
	want := map[string]string{"s0": verdict.ActionStepUp, "s1": verdict.ActionRevoke, "s2": verdict.ActionStepUp}
	check := func(who string, g *gate) {
		t.Helper()
		for id, action := range want {
			if got := g.standing(id); got != action {
				t.Errorf("%s: %s is under %q, want %s", who, id, got, action)
			}
		}
	}
	check("the running gateway", g)
	whole := l.records(t)
	l.broker.Compact()
	if left := len(l.records(t)); left >= len(whole) {
		t.Fatalf("%d records of %d are left after compaction", left, len(whole))
	}
	check("a new gateway after compaction", l.openGate(t, t.TempDir()).run(t))

	// The topic as it was after its first records: a broker at the same address.
	addr := l.broker.Addr()
	l.broker.Close()
	b, err := broker.Start(broker.Options{Addr: addr, Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	for _, m := range whole[:3] {
		l.write(t, string(m.Key), m.Value)
	}
	l.write(t, "k", sealed(t, l.analyzer, says("last", 1)))
	until(t, "the topic is read as it is now", func() bool { return g.standing("last") != "" })
	check("the running gateway after the cut", g)
	g.stop()
	check("the gateway after a restart, after the cut", l.openGate(t, g.dir).run(t))
}

// The thief of the analyzer's key revokes everybody: the gateway lets him end a share
// of those who are here, and holds the rest for a person.
func TestAStolenKeyRevokesEverybody(t *testing.T) {
	for name, revokes := range map[string]func(i int) *verdict.Verdict{
		"one by one": func(i int) *verdict.Verdict { return says(fmt.Sprint("s", i), 1) },
		"by one prefix": func(i int) *verdict.Verdict {
			return says("", uint64(i+1), func(v *verdict.Verdict) {
				v.Id, v.Authority, v.Target = fmt.Sprint("p", i), verdict.AuthorityFacet, &verdict.Target{Kind: verdict.TargetPrefix, Id: "192.0.0.0/16"}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t)
			g := l.openGate(t, t.TempDir(), func(o *revoke.Options) { o.Config.Fuse.Least = 10 }).run(t)
			const people = 200
			ended := func() int {
				n := 0
				for i := range people {
					if g.standing(fmt.Sprint("s", i), func(w *session.Who) { w.Address = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }) != "" {
						n++
					}
				}
				return n
			}
			if n := ended(); n != 0 {
				t.Fatalf("%d sessions are ended before anything", n)
			}
			for i := range people {
				l.write(t, "k", sealed(t, l.analyzer, revokes(i)))
			}
			l.write(t, "k", sealed(t, l.operator, says("operator's", 1, func(v *verdict.Verdict) { v.Authority = verdict.AuthorityOperator })))
			until(t, "an operator's word passes", func() bool { return g.standing("operator's") != "" })
			if n := ended(); n > people/4 || name == "one by one" && n != people/4 {
				t.Errorf("the thief has ended %d of %d sessions, want a quarter", n, people)
			}
			if len(g.Stats().Blown) != 1 {
				t.Errorf("fuses blown: %v", g.Stats().Blown)
			}
		})
	}
}
