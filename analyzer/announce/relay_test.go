package announce_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

func (r *rig) operators(action string, clears ...*verdict.Clear) *verdict.Verdict {
	return &verdict.Verdict{
		Id: "op1", Time: timestamppb.New(r.now()), Epoch: 1, Seq: 1, Authority: verdict.AuthorityOperator, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: "s"}, Action: action, Until: timestamppb.New(r.now().Add(time.Hour)),
		Clears: clears, Origin: "operator",
	}
}

// The admin port is no way round the classes of keys.
func TestRelayRefusesAllButOperators(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60)
	sign := func(s verdict.Signer, v *verdict.Verdict) []byte {
		env, err := s.Verdict(v)
		if err != nil {
			t.Fatal(err)
		}
		return env
	}
	own := r.operators(verdict.ActionRevoke)
	own.Authority = verdict.AuthoritySubject
	lapsed := r.operators(verdict.ActionRevoke)
	lapsed.Until = timestamppb.New(r.now().Add(-time.Minute))
	beat, err := r.analyzer.Heartbeat(&verdict.Heartbeat{Authority: verdict.AuthoritySubject})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		record []byte
		want   error
	}{
		"rubbish":                           {[]byte("x"), verdict.ErrUnsigned},
		"signed by a stranger":              {sign(r.stranger, r.operators(verdict.ActionRevoke)), verdict.ErrSignature},
		"an analyzer's as operator's":       {sign(r.analyzer, r.operators(verdict.ActionRevoke)), verdict.ErrAuthority},
		"an analyzer's own":                 {sign(r.analyzer, own), announce.ErrNotRelayed},
		"a heartbeat":                       {beat, announce.ErrNotRelayed},
		"one that has lapsed":               {sign(r.operator, lapsed), verdict.ErrExpired},
		"clears that an operator must sign": {sign(r.analyzer, &verdict.Verdict{Authority: verdict.AuthoritySubject, Clears: []*verdict.Clear{{}}}), verdict.ErrAuthority},
	} {
		err := a.Relay(t.Context(), tt.record)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: Relay = %v, want %v", name, err, tt.want)
		}
	}
	env := sign(r.operator, r.operators(verdict.ActionRevoke))
	err = a.Relay(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	key := topic.VerdictKey("default", verdict.TargetSession, "s", verdict.AuthorityOperator)
	list := r.read(topic.Verdicts, announce.RelayPartition(key, partitions))
	if len(list) != 1 || string(list[0].Value) != string(env) || string(list[0].Key) != string(key) {
		t.Errorf("relayed %v", list)
	}
}

// A restore makes the fold forget, here and for whoever comes next, and a
// replay of what went before it revokes nobody again.
func TestRestoreIsFinal(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60)
	p := r.adopt(a, 0)
	revoke := r.finding(5, verdict.TargetSession, "s", verdict.ActionRevoke, 0)
	r.announce(p, revoke)
	list, _ := r.said(0)
	op := r.operators(verdict.ActionObserve, &verdict.Clear{Authority: verdict.AuthoritySubject, Epoch: list[0].Epoch, Seq: list[0].Seq})
	env, err := r.operator.Verdict(op)
	if err != nil {
		t.Fatal(err)
	}
	err = a.Relay(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	var control event.RequestEvent
	for n := range partitions {
		records := r.read(topic.Requests, n)
		if len(records) != 1 {
			t.Fatalf("partition %d has %d control records, want 1", n, len(records))
		}
		err = event.Decode(records[0].Value, &control)
		if err != nil || control.Kind != event.KindControl {
			t.Fatalf("control record: %v, %v", &control, err)
		}
	}
	const offset = 10
	for name, forge := range map[string]func(ev *event.RequestEvent){
		"no envelope":         func(ev *event.RequestEvent) { ev.Attributes = nil },
		"another's signature": func(ev *event.RequestEvent) { ev.Attributes = envelope(t, r.stranger, op) },
		"an analyzer's own": func(ev *event.RequestEvent) {
			ev.Attributes = envelope(t, r.analyzer, &verdict.Verdict{
				Id: "x", Time: op.Time, Until: op.Until, Target: op.Target, Tenant: op.Tenant, Action: op.Action, Authority: verdict.AuthoritySubject,
			})
		},
	} {
		forged := proto.CloneOf(&control)
		forge(forged)
		err = p.Control(t.Context(), forged, offset)
		list, _ = r.said(0)
		if err != nil || len(list) != 1 {
			t.Fatalf("a clear with %s: %v, %v", name, err, list)
		}
		if p.Believe(forged) == nil {
			t.Errorf("a clear with %s is believed", name)
		}
	}
	elsewhere := proto.CloneOf(&control)
	elsewhere.Session = "somebody else's"
	if p.Believe(elsewhere) == nil || p.Believe(&control) != nil {
		t.Errorf("a clear counts for its own target alone: elsewhere %v, there %v", p.Believe(elsewhere), p.Believe(&control))
	}
	err = p.Control(t.Context(), &control, offset)
	if err != nil {
		t.Fatal(err)
	}
	list, _ = r.said(0)
	if len(list) != 2 || list[1].Action != verdict.ActionObserve || list[1].Authority != verdict.AuthoritySubject {
		t.Fatalf("after the restore: %v", list)
	}
	successor := r.adopt(r.announcer(60), 0)
	for name, q := range map[string]*announce.Partition{"this owner": p, "the next owner": successor} {
		r.announce(q, revoke)
		list, _ = r.said(0)
		if len(list) != 2 {
			t.Errorf("%s revokes again what was restored: %v", name, list[2:])
		}
		err = q.Control(t.Context(), &control, offset) // Replayed.
		if err != nil {
			t.Fatal(err)
		}
	}
	r.announce(successor, r.finding(11, verdict.TargetSession, "s", verdict.ActionRevoke, 0))
	list, _ = r.said(0)
	if len(list) != 3 || list[2].Action != verdict.ActionRevoke {
		t.Errorf("new evidence after the restore brings %v", list[2:])
	}
}

// envelope is a control event's attribute with a verdict that anybody has signed.
func envelope(t *testing.T, s verdict.Signer, v *verdict.Verdict) map[string]string {
	t.Helper()
	env, err := s.Verdict(proto.CloneOf(v))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"envelope.0": string(env)}
}

// What an operator writes may be longer than a field of an event, and not
// longer than an event.
func TestRestoreWithManyWords(t *testing.T) {
	r := newRig(t)
	a := r.announcer(60)
	p := r.adopt(a, 0)
	r.announce(p, r.finding(5, verdict.TargetSession, "s", verdict.ActionRevoke, 0))
	list, _ := r.said(0)
	op := r.operators(verdict.ActionObserve, &verdict.Clear{Authority: verdict.AuthoritySubject, Epoch: list[0].Epoch, Seq: list[0].Seq})
	op.OperatorText = strings.Repeat("found it. ", 1000)
	err := a.Relay(t.Context(), []byte(envelope(t, r.operator, op)["envelope.0"]))
	if err != nil {
		t.Fatal(err)
	}
	var control event.RequestEvent
	err = event.Decode(r.read(topic.Requests, 0)[0].Value, &control)
	if err != nil {
		t.Fatal(err)
	}
	err = p.Control(t.Context(), &control, 10)
	list, _ = r.said(0)
	if err != nil || len(list) != 2 {
		t.Errorf("Control() = %v, the topic says %v", err, list)
	}
	op.OperatorText = strings.Repeat("found it. ", 3000)
	err = a.Relay(t.Context(), []byte(envelope(t, r.operator, op)["envelope.0"]))
	if !errors.Is(err, announce.ErrNotRelayed) {
		t.Errorf("Relay of too many words = %v, want ErrNotRelayed", err)
	}
}
