package channel_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tenant = "default"

// line is a broker with one partition, so that what is written has one order, and
// everybody's keys.
type line struct {
	broker                       *broker.Broker
	keys                         *verdict.KeySet
	analyzer, operator, stranger verdict.Signer
	analyzerKey                  ed25519.PrivateKey
	writer                       *announce.Writer
}

func newLine(t *testing.T) *line {
	t.Helper()
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	key := func(c byte) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{c}, ed25519.SeedSize))
	}
	public := func(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }
	root, a, o := key('r'), key('a'), key('o')
	file, err := verdict.SignKeySet(root, []verdict.Key{
		{ID: "a-1", Class: verdict.ClassAnalyzer, Public: public(a)},
		{ID: "o-1", Class: verdict.ClassOperator, Public: public(o)},
		{ID: "retired", Class: verdict.ClassAnalyzer, Public: public(key('p')), Until: time.Now().Add(-time.Hour)},
		{ID: "next", Class: verdict.ClassAnalyzer, Public: public(key('n')), From: time.Now().Add(time.Hour)},
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := verdict.OpenKeySet(public(root), file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := announce.NewWriter(nil, []string{b.Addr()}, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return &line{
		broker: b, keys: keys, analyzer: verdict.NewSigner("a-1", a), operator: verdict.NewSigner("o-1", o),
		stranger: verdict.NewSigner("a-1", key('x')), analyzerKey: a, writer: w,
	}
}

// announcer is an analyzer that has just begun.
func (l *line) announcer(t *testing.T) *announce.Announcer {
	t.Helper()
	c := announce.DefaultConfig()
	c.KeyFile, c.RevokesPerMinute, c.BlastRadius.Least = "unused", 1<<20, 1<<20
	a, err := announce.New(announce.Options{
		Config: c, Writer: l.writer, Signer: l.analyzer, Keys: l.keys, Logger: slog.New(slog.DiscardHandler),
		Meter: noop.Meter{}, Tracer: tracenoop.Tracer{}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (l *line) adopt(t *testing.T, a *announce.Announcer) *announce.Partition {
	t.Helper()
	p, err := a.Adopt(t.Context(), announce.SubjectStage(), 0, "", 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// write puts a record into the topic as anybody could who may write there.
func (l *line) write(t *testing.T, key string, records ...[]byte) {
	t.Helper()
	for _, value := range records {
		err := l.writer.Write(t.Context(), topic.Verdicts, 0, announce.Record{Key: []byte(key), Value: value})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// gate is a gateway as far as verdicts concern it.
type gate struct {
	*revoke.Follower

	table *session.Table
	dir   string
	stop  func()
}

// openGate starts a gateway with what the directory has; run also follows the topic.
func (l *line) openGate(t *testing.T, dir string, change ...func(*revoke.Options)) *gate {
	t.Helper()
	logger, meter := slog.New(slog.DiscardHandler), noop.NewMeterProvider().Meter("")
	table, err := session.New(session.Options{Config: session.DefaultConfig(), Tenant: tenant, Logger: logger, Meter: meter, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	o := revoke.Options{
		Config: revoke.DefaultConfig(), Brokers: []string{l.broker.Addr()}, Gateway: "gateway-1", Keys: l.keys, Table: table,
		Logger: logger, Meter: meter, Now: time.Now,
	}
	o.Config.Dir, o.Config.PollWait = dir, 100*time.Millisecond
	for _, c := range change {
		c(&o)
	}
	f, err := revoke.New(o)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Load()
	if err != nil {
		t.Fatal(err)
	}
	return &gate{Follower: f, table: table, dir: dir}
}

// run follows the topic and returns once it is read to its end.
func (g *gate) run(t *testing.T) *gate {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	ended := false
	g.stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		err := <-done
		if err != nil {
			t.Errorf("Run() = %v", err)
		}
	}
	t.Cleanup(g.stop)
	until(t, "caught up", g.CaughtUp)
	return g
}

// readAgain shows a gateway a gap in the analyzer's numbers, for which it reads the
// topic again: not a second time within a minute, so that what follows is counted once.
func (g *gate) readAgain(t *testing.T, l *line) {
	t.Helper()
	l.write(t, "k", sealed(t, l.analyzer, says("before the gap", 1)), sealed(t, l.analyzer, says("after the gap", 3)))
	until(t, "the gap is noticed", func() bool { return g.Stats().Missing == 1 })
	until(t, "the topic is read again", func() bool { return g.Stats().Repeated == 2 })
}

// standing is what the gateway holds against a session of an address, "" for nothing:
// observe is none.
func (g *gate) standing(id string, who ...func(*session.Who)) string {
	w := session.Who{Session: id, Subject: "u-" + id, Address: netip.MustParseAddr("192.0.2.1")}
	for _, c := range who {
		c(&w)
	}
	_, v := g.table.Enter(context.Background(), session.Entry{Who: w, Route: "r"})
	defer v.Leave()
	action := v.Standing().Action
	if action == verdict.ActionObserve {
		return ""
	}
	return action
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// says is a revoke of a session by the subject stage, an hour long.
func says(id string, seq uint64, change ...func(*verdict.Verdict)) *verdict.Verdict {
	now := time.Now()
	v := &verdict.Verdict{
		Id: fmt.Sprint(id, "-", seq), Time: timestamppb.New(now), Epoch: 1, Seq: seq, Authority: verdict.AuthoritySubject, Tenant: tenant,
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: id}, Action: verdict.ActionRevoke, Until: timestamppb.New(now.Add(time.Hour)),
	}
	for _, c := range change {
		c(v)
	}
	return v
}

func sealed(t *testing.T, by verdict.Signer, v *verdict.Verdict) []byte {
	t.Helper()
	b, err := by.Verdict(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// raw signs any payload with the analyzer's key, as its thief could.
func (l *line) raw(payload []byte) []byte {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"EdDSA","kid":"a-1","typ":"vigil-verdict+pb"}`)) + "." + encode(payload)
	return []byte(text + "." + encode(ed25519.Sign(l.analyzerKey, []byte(text))))
}

// announcement is what the judge has found, to be announced.
type announcement = announce.Finding

// finding is what the judge says about a target at an offset.
func finding(offset int64, kind, id, action string) announce.Finding {
	now := time.Now()
	return announce.Finding{Proposal: judge.Proposal{
		ID: fmt.Sprint("v", offset), Target: &verdict.Target{Kind: kind, Id: id}, Action: action, Until: now.Add(time.Hour), Score: 9,
		Tenant: tenant, EventID: fmt.Sprint("e", offset), EventTime: now, Offset: offset,
	}}
}

// records are all that the topic has.
func (l *line) records(t *testing.T) []kafka.Message {
	t.Helper()
	var all []kafka.Message
	_, err := l.writer.Read(t.Context(), topic.Verdicts, 0, 0, func(m kafka.Message) { all = append(all, m) })
	if err != nil {
		t.Fatal(err)
	}
	return all
}
