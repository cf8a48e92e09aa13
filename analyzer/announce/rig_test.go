package announce_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/judge"
)

// TestMain finds goroutines that outlive the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type rig struct {
	t        testing.TB
	addr     string
	keys     *verdict.KeySet
	operator verdict.Signer
	analyzer verdict.Signer
	stranger verdict.Signer
	writer   *announce.Writer
	clock    atomic.Int64 // Added to the real time.
}

const partitions = 3

func newRig(tb testing.TB) *rig {
	tb.Helper()
	b, err := broker.Start(broker.Options{Partitions: partitions})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.Close)
	return rigOn(tb, b.Addr())
}

// rigOn uses a broker.
func rigOn(tb testing.TB, addr string) *rig {
	tb.Helper()
	key := func(text string) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32s", text)))
	}
	public := func(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }
	root, a, o := key("root"), key("analyzer"), key("operator")
	file, err := verdict.SignKeySet(root, []verdict.Key{
		{ID: "a", Class: verdict.ClassAnalyzer, Public: public(a)}, {ID: "o", Class: verdict.ClassOperator, Public: public(o)},
	})
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := verdict.OpenKeySet(public(root), file)
	if err != nil {
		tb.Fatal(err)
	}
	w, err := announce.NewWriter(nil, []string{addr}, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(w.Close)
	return &rig{
		t: tb, addr: addr, keys: keys, writer: w, analyzer: verdict.NewSigner("a", a),
		operator: verdict.NewSigner("o", o), stranger: verdict.NewSigner("a", key("stranger")),
	}
}

func (r *rig) now() time.Time { return time.Now().Add(time.Duration(r.clock.Load())) }

func (r *rig) announcer(revokesPerMinute int, tweaks ...func(*announce.Config)) *announce.Announcer {
	r.t.Helper()
	c := announce.DefaultConfig()
	for _, f := range tweaks {
		f(&c)
	}
	c.KeyFile, c.KeyID, c.Heartbeat, c.RevokesPerMinute = "unused", "a", 100*time.Millisecond, revokesPerMinute
	a, err := announce.New(announce.Options{
		Config: c, Writer: r.writer, Signer: r.analyzer, Keys: r.keys, Logger: slog.New(slog.DiscardHandler),
		Meter: noop.Meter{}, Tracer: tracenoop.Tracer{}, Now: r.now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (r *rig) adopt(a *announce.Announcer, partition int) *announce.Partition {
	r.t.Helper()
	p, err := a.Adopt(r.t.Context(), announce.SubjectStage(), partition, "", 1<<40)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) finding(offset int64, kind, id, action string, age time.Duration) announce.Finding {
	return announce.Finding{Proposal: judge.Proposal{
		ID: fmt.Sprintf("v%d", offset), Target: &verdict.Target{Kind: kind, Id: id}, Action: action, Until: r.now().Add(time.Hour),
		Score: 9, Tenant: "default", EventID: fmt.Sprintf("e%d", offset), EventTime: r.now().Add(-age), Offset: offset,
		PublicText: "public", OperatorText: "operator", Model: "m",
	}}
}

func (r *rig) announce(p *announce.Partition, list ...announce.Finding) {
	r.t.Helper()
	err := p.Announce(r.t.Context(), list)
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) read(name string, partition int) []kafka.Message {
	r.t.Helper()
	conn, err := kafka.DialLeader(r.t.Context(), "tcp", r.addr, name, partition)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	first, last, err := conn.ReadOffsets()
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = conn.Seek(first, kafka.SeekAbsolute)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []kafka.Message
	for at := first; at < last; {
		batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: 1, MaxBytes: 10 << 20, MaxWait: time.Second})
		for {
			m, err := batch.ReadMessage()
			if err != nil {
				break
			}
			out = append(out, m)
		}
		at = batch.Offset()
		err := batch.Close()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return out
}

// said lists the verdicts and heartbeats of a partition, without tombstones and what
// has such a value.
func (r *rig) said(partition int, but ...string) (verdicts []*verdict.Verdict, beats []*verdict.Heartbeat) {
	r.t.Helper()
	for _, m := range r.read(topic.Verdicts, partition) {
		if len(but) > 0 && (len(m.Value) == 0 || slices.Contains(but, string(m.Value))) {
			continue
		}
		msg, err := r.keys.Open(m.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		if msg.Verdict != nil {
			v := msg.Verdict
			if want := topic.VerdictKey(v.Tenant, v.Target.Kind, v.Target.Id, v.Authority); string(m.Key) != string(want) {
				r.t.Errorf("key %q, want %q", m.Key, want)
			}
			verdicts = append(verdicts, v)
		} else {
			beats = append(beats, msg.Heartbeat)
		}
	}
	return verdicts, beats
}

func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			tb.Fatalf("never: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func contextOf(tb testing.TB) (context.Context, context.CancelFunc) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	tb.Cleanup(cancel)
	return ctx, cancel
}
