package revoke_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
	"github.com/vigil-gateway/vigil/deploy/devstack/logtest"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ring is a key set and those who sign for it.
type ring struct {
	keys               *verdict.KeySet
	analyzer, operator verdict.Signer
	stranger           verdict.Signer // Its key is in no set.
	forger             verdict.Signer // Says that it is the analyzer.
}

func newRing(tb testing.TB) ring {
	tb.Helper()
	root, rootKey := pair(tb)
	a, aKey := pair(tb)
	o, oKey := pair(tb)
	_, other := pair(tb)
	signed, err := verdict.SignKeySet(rootKey, []verdict.Key{
		{ID: "a-1", Class: verdict.ClassAnalyzer, Public: a}, {ID: "o-1", Class: verdict.ClassOperator, Public: o},
	})
	if err != nil {
		tb.Fatal(err)
	}
	set, err := verdict.OpenKeySet(root, signed)
	if err != nil {
		tb.Fatal(err)
	}
	return ring{
		keys: set, analyzer: verdict.NewSigner("a-1", aKey), operator: verdict.NewSigner("o-1", oKey),
		stranger: verdict.NewSigner("x-1", other), forger: verdict.NewSigner("a-1", other),
	}
}

func pair(tb testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	tb.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return public, private
}

// revocation is a verdict of the analyzer about a session.
func revocation(session string, seq uint64) *verdict.Verdict {
	now := time.Now()
	return &verdict.Verdict{
		Id: fmt.Sprintf("%s-%d", session, seq), Time: timestamppb.New(now), Epoch: 1, Seq: seq,
		Authority: verdict.AuthoritySubject, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: session},
		Action: verdict.ActionRevoke, Until: timestamppb.New(now.Add(time.Hour)),
	}
}

func sign(tb testing.TB, s verdict.Signer, v *verdict.Verdict) []byte {
	tb.Helper()
	b, err := s.Verdict(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// table notes what is applied.
type table struct {
	mu      sync.Mutex
	applied []string
	// sessions is how many each session target has; everybody is how many there are.
	sessions, everybody int
	withdrawn           []string
}

func (tb *table) Withdraw(v *verdict.Verdict) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.withdrawn = append(tb.withdrawn, v.Id)
}

func (tb *table) Sessions(_ string, target *verdict.Target) int {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if target == nil {
		return tb.everybody
	}
	return tb.sessions
}

func (tb *table) Apply(v *verdict.Verdict, _ time.Time) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.applied = append(tb.applied, v.Id)
}

// ids returns what was applied, in order.
func (tb *table) ids() []string {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	return append([]string{}, tb.applied...)
}

// fixture is one gateway's follower.
type fixture struct {
	*revoke.Follower

	table *table
	log   *lockedBuffer
}

// lockedBuffer is a log that can be counted in.
type lockedBuffer struct{ logtest.Buffer }

func (b *lockedBuffer) count(s string) int { return strings.Count(b.String(), s) }

func newFollower(tb testing.TB, addr, dir string, r ring, change ...func(*revoke.Options)) fixture {
	tb.Helper()
	f := fixture{table: new(table), log: new(lockedBuffer)}
	o := revoke.Options{
		Config: revoke.DefaultConfig(), Brokers: []string{addr}, Gateway: "gw-1", Keys: r.keys, Table: f.table,
		Logger: slog.New(slog.NewTextHandler(f.log, nil)), Meter: noop.NewMeterProvider().Meter(""), Now: time.Now,
	}
	o.Config.Dir = dir
	o.Config.PollWait = 100 * time.Millisecond
	for _, c := range change {
		c(&o)
	}
	var err error
	f.Follower, err = revoke.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// run runs a follower; stop ends it and returns once Run has.
func (f fixture) run(tb testing.TB) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					tb.Errorf("Run() = %v, want nil", err)
				}
			case <-time.After(time.Minute):
				tb.Error("Run did not return")
			}
		})
	}
	tb.Cleanup(stop)
	return stop
}

func until(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			tb.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

func start(t *testing.T, o broker.Options) *broker.Broker {
	t.Helper()
	b, err := broker.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// nobody returns an address on which nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// write writes one record to a partition of the verdicts.
func write(t *testing.T, addr string, partition int, key, value []byte, typ string) {
	t.Helper()
	tr := &kafka.Transport{MetadataTTL: 2 * time.Second}
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(addr), Transport: tr, Timeout: 10 * time.Second}
	res, err := c.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: topic.Verdicts, Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{
			Key: kafka.NewBytes(key), Value: kafka.NewBytes(value),
			Headers: []kafka.Header{{Key: "ce_type", Value: []byte(typ)}},
		}),
	})
	if err != nil || res.Error != nil {
		t.Fatalf("produce: %v, %v", err, res)
	}
}

// announce writes a signed verdict under its key, as the analyzer does.
func announce(t *testing.T, addr string, partition int, s verdict.Signer, v *verdict.Verdict) {
	t.Helper()
	key := topic.VerdictKey(v.Tenant, v.Target.Kind, v.Target.Id, v.Authority)
	write(t, addr, partition, key, sign(t, s, v), cloudevent.TypeVerdict)
}

func (f fixture) wants(t *testing.T, ids ...string) {
	t.Helper()
	until(t, fmt.Sprint(ids, " are applied"), func() bool { return len(f.table.ids()) >= len(ids) })
	got := f.table.ids()
	set := make(map[string]bool)
	for _, id := range got {
		set[id] = true
	}
	for _, id := range ids {
		if !set[id] || len(got) != len(ids) {
			t.Fatalf("applied = %v, want %v", got, ids)
		}
	}
}

func TestVerdictsOfEveryPartitionAreApplied(t *testing.T) {
	r := newRing(t)
	b := start(t, broker.Options{Partitions: 3})
	announce(t, b.Addr(), 0, r.analyzer, revocation("s0", 1))
	f := newFollower(t, b.Addr(), t.TempDir(), r)
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	f.wants(t, "s0-1") // Caught up means applied.
	announce(t, b.Addr(), 1, r.analyzer, revocation("s1", 1))
	announce(t, b.Addr(), 2, r.analyzer, revocation("s2", 1))
	f.wants(t, "s0-1", "s1-1", "s2-1")
}

func TestWhatIsNotAVerdictHasNoEffect(t *testing.T) {
	r := newRing(t)
	b := start(t, broker.Options{Partitions: 1})
	expired := revocation("s", 1)
	expired.Until = timestamppb.New(time.Now().Add(-time.Minute))
	usurper := revocation("s", 2) // The analyzer's key does not sign for an operator.
	usurper.Authority = verdict.AuthorityOperator
	strange := revocation("s", 3)
	strange.Action = "exile"
	heartbeat, err := r.stranger.Heartbeat(&verdict.Heartbeat{Authority: verdict.AuthoritySubject})
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string][]byte{
		"unsigned":        []byte("not a verdict"),
		"wrong_signature": sign(t, r.forger, revocation("s", 4)),
		"unknown_key":     sign(t, r.stranger, revocation("s", 5)),
		"wrong_authority": sign(t, r.analyzer, usurper),
		"malformed":       sign(t, r.analyzer, strange),
		"expired":         sign(t, r.analyzer, expired),
	}
	for range 3 {
		for reason, record := range bad {
			write(t, b.Addr(), 0, []byte(reason), record, cloudevent.TypeVerdict)
		}
	}
	write(t, b.Addr(), 0, []byte("hb"), heartbeat, cloudevent.TypeHeartbeat)
	write(t, b.Addr(), 0, []byte("empty"), nil, cloudevent.TypeVerdict)
	announce(t, b.Addr(), 0, r.analyzer, revocation("good", 1))

	f := newFollower(t, b.Addr(), t.TempDir(), r)
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	f.wants(t, "good-1") // The partition went on behind them.
	want := map[string]uint64{
		"unsigned": 3, "wrong_signature": 3, "unknown_key": 4, "wrong_authority": 3, "malformed": 3, "expired": 3,
	}
	if diff := cmp.Diff(want, f.Stats().Refused); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	// Once per key and reason: five records and a heartbeat; what had lapsed before the topic was read is no news.
	if got := f.log.count("verdict refused"); got != 6 {
		t.Errorf("logged %d refusals, want 6", got)
	}
}

func TestOnlyALaterVerdictOfATargetHasAnEffect(t *testing.T) {
	r := newRing(t)
	b := start(t, broker.Options{Partitions: 1})
	dir := t.TempDir()
	f := newFollower(t, b.Addr(), dir, r)
	stop := f.run(t)
	announce(t, b.Addr(), 0, r.analyzer, revocation("s", 5))
	announce(t, b.Addr(), 0, r.analyzer, revocation("s", 4))
	announce(t, b.Addr(), 0, r.analyzer, revocation("s", 5))
	announce(t, b.Addr(), 0, r.analyzer, revocation("s", 6))
	announce(t, b.Addr(), 0, r.analyzer, revocation("end", 1))
	f.wants(t, "s-5", "s-6", "end-1")
	if st := f.Stats(); st.Refused["stale"] != 1 || st.Repeated != 1 {
		t.Errorf("stats = %+v, want 1 stale and 1 repeated", st)
	}
	stop()

	// The watermark survives: an old one cannot be played back after a restart.
	f = newFollower(t, nobody(t), dir, r)
	err := f.Load()
	if err != nil {
		t.Fatal(err)
	}
	f.wants(t, "s-6", "end-1")
	err = f.Accept(sign(t, r.analyzer, revocation("s", 5)))
	if !errors.Is(err, revoke.ErrStale) {
		t.Errorf("Accept(older) = %v, want ErrStale", err)
	}
}

func TestVerdictThatHasLapsedEndsAnEarlierOne(t *testing.T) {
	r := newRing(t)
	dir := t.TempDir()
	f := newFollower(t, nobody(t), dir, r)
	err := f.Accept(sign(t, r.analyzer, revocation("s", 1)))
	if err != nil {
		t.Fatal(err)
	}
	// While the gateway was away the analyzer took it back for good.
	back := revocation("s", 2)
	back.Action, back.Until = verdict.ActionObserve, timestamppb.New(time.Now().Add(-time.Second))
	err = f.Accept(sign(t, r.analyzer, back))
	if err != nil {
		t.Fatal(err)
	}
	f.wants(t, "s-1", "s-2")
	f = newFollower(t, nobody(t), dir, r)
	err = f.Load()
	if err != nil {
		t.Fatal(err)
	}
	f.wants(t) // Nothing is in force.
	err = f.Accept(sign(t, r.analyzer, revocation("s", 1)))
	if !errors.Is(err, revoke.ErrStale) {
		t.Errorf("Accept(what was taken back) = %v, want ErrStale", err)
	}
}

func TestAcceptedVerdictIsOnDiskWhenAcceptReturns(t *testing.T) {
	r := newRing(t)
	dir := t.TempDir()
	f := newFollower(t, nobody(t), dir, r)
	v := revocation("s", 1)
	v.Authority = verdict.AuthorityOperator
	err := f.Accept(append(sign(t, r.operator, v), '\n'))
	if err != nil {
		t.Fatal(err)
	}
	f.wants(t, "s-1")
	again := newFollower(t, nobody(t), dir, r) // The first was not closed: it was killed.
	err = again.Load()
	if err != nil {
		t.Fatal(err)
	}
	again.wants(t, "s-1")
}

func TestAcceptRefuses(t *testing.T) {
	r := newRing(t)
	f := newFollower(t, nobody(t), t.TempDir(), r)
	expired := revocation("s", 1)
	expired.Until = timestamppb.New(time.Now().Add(-time.Minute))
	beat, err := r.analyzer.Heartbeat(&verdict.Heartbeat{Authority: verdict.AuthoritySubject})
	if err != nil {
		t.Fatal(err)
	}
	folded := sign(t, r.analyzer, revocation("s", 2))
	folded = append(append(bytes.Clone(folded[:len(folded)-4]), '\n'), folded[len(folded)-4:]...)
	tests := map[string]struct {
		record []byte
		want   error
	}{
		"nothing":                       {nil, verdict.ErrUnsigned},
		"more than an envelope may be":  {bytes.Repeat([]byte("a"), verdict.EnvelopeBytesMax+1), verdict.ErrUnsigned},
		"a line end inside":             {folded, verdict.ErrUnsigned},
		"an expired verdict":            {sign(t, r.analyzer, expired), verdict.ErrExpired},
		"a heartbeat":                   {beat, verdict.ErrMalformed},
		"a key of another installation": {sign(t, r.stranger, revocation("s", 1)), verdict.ErrUnknownKey},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := f.Accept(tt.record)
			if !errors.Is(err, tt.want) {
				t.Errorf("Accept() = %v, want %v", err, tt.want)
			}
		})
	}
	f.wants(t)
}

func TestKeysCanBeSwapped(t *testing.T) {
	old, fresh := newRing(t), newRing(t)
	f := newFollower(t, nobody(t), t.TempDir(), old)
	record := sign(t, fresh.analyzer, revocation("s", 1))
	if f.Accept(record) == nil {
		t.Fatal("a verdict of a key that is not in the set was accepted")
	}
	err := f.SwapKeys(fresh.keys)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Accept(record)
	if err != nil {
		t.Fatal(err)
	}
	f.wants(t, "s-1")
}

func TestHeartbeats(t *testing.T) {
	r := newRing(t)
	b := start(t, broker.Options{Partitions: 2})
	beat := func(partition int32, seq, scored uint64) {
		h := &verdict.Heartbeat{
			Time: timestamppb.Now(), Epoch: 1, Seq: seq, Authority: verdict.AuthoritySubject, Partition: partition,
			ScoredThrough: []*verdict.LanePosition{
				{Gateway: "gw-1", Epoch: 7, Lane: 3, Seq: scored}, {Gateway: "gw-2", Epoch: 7, Lane: 4, Seq: 9},
			},
		}
		record, err := r.analyzer.Heartbeat(h)
		if err != nil {
			t.Fatal(err)
		}
		key := topic.HeartbeatKey(verdict.AuthoritySubject, int(partition))
		write(t, b.Addr(), int(partition), key, record, cloudevent.TypeHeartbeat)
	}
	for seq := range uint64(20) {
		beat(0, seq+1, seq+100)
	}
	scored := &positions{issued: 250, through: make(map[string]uint64)}
	f := newFollower(t, b.Addr(), t.TempDir(), r, func(o *revoke.Options) { o.Positions = scored })
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	if got := scored.of("gw-1/7/3"); got != 119 {
		t.Errorf("scored through %d, want 119 of the last heartbeat in the log", got)
	}
	// Partition 1 has never spoken: staleness grows from the follower's start.
	later := time.Now().Add(time.Hour)
	if got := f.Staleness(later); got < time.Hour {
		t.Errorf("Staleness = %v with a silent partition, want at least 1h", got)
	}
	beat(0, 21, 200)
	beat(1, 1, 50)
	until(t, "both have spoken", func() bool { return scored.of("gw-1/7/3") == 200 && f.Staleness(later) < time.Hour })
	silent := f.Staleness(later)
	beat(0, 20, 249) // Played back.
	beat(0, 22, 251) // More than there is: it must not take the place of the one that follows.
	forged, err := r.forger.Heartbeat(&verdict.Heartbeat{
		Time: timestamppb.Now(), Epoch: 9, Seq: 1, Authority: verdict.AuthoritySubject,
		ScoredThrough: []*verdict.LanePosition{{Gateway: "gw-1", Epoch: 7, Lane: 3, Seq: 250}},
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, b.Addr(), 0, topic.HeartbeatKey(verdict.AuthoritySubject, 0), forged, cloudevent.TypeHeartbeat)
	until(t, "all three are refused", func() bool {
		refused := f.Stats().Refused
		return refused["stale"] == 1 && refused["beyond"] == 1 && refused["wrong_signature"] == 1
	})
	if got := scored.of("gw-1/7/3"); got != 200 || f.Staleness(later) != silent {
		t.Errorf("what is refused has moved the lane to %d and the silence to %v from %v", got, f.Staleness(later), silent)
	}
	beat(0, 22, 201)
	until(t, "the next one", func() bool { return scored.of("gw-1/7/3") == 201 })
}

// A dead facet stage shows, though the subject stage goes on, and also where it died
// before the gateway came.
func TestEachStageHasItsStaleness(t *testing.T) {
	r := newRing(t)
	b := start(t, broker.Options{Partitions: 1})
	beat := func(stage string, seq uint64, at time.Time) {
		record, err := r.analyzer.Heartbeat(&verdict.Heartbeat{Time: timestamppb.New(at), Epoch: 1, Seq: seq, Authority: stage})
		if err != nil {
			t.Fatal(err)
		}
		write(t, b.Addr(), 0, topic.HeartbeatKey(stage, 0), record, cloudevent.TypeHeartbeat)
	}
	beat(verdict.AuthorityFacet, 1, time.Now().Add(-time.Hour))
	beat(verdict.AuthoritySubject, 1, time.Now())
	f := newFollower(t, b.Addr(), t.TempDir(), r)
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	got := f.Stats().Staleness
	if got[verdict.AuthorityFacet] < time.Hour || got[verdict.AuthoritySubject] >= time.Hour {
		t.Errorf("staleness %v, want an hour of the facet stage alone", got)
	}
	beat(verdict.AuthorityFacet, 2, time.Now())
	until(t, "the facet stage is back", func() bool { return f.Stats().Staleness[verdict.AuthorityFacet] < time.Hour })
}

// positions believe up to what was issued, and note it.
type positions struct {
	issued uint64

	mu      sync.Mutex
	through map[string]uint64
}

func (p *positions) Scored(lanes []*verdict.LanePosition) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range lanes {
		if l.Seq > p.issued {
			return false
		}
	}
	for _, l := range lanes {
		name := fmt.Sprintf("%s/%d/%d", l.Gateway, l.Epoch, l.Lane)
		p.through[name] = max(p.through[name], l.Seq)
	}
	return true
}

func (p *positions) of(lane string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.through[lane]
}

func TestCompactedTopicIsReadToItsEnd(t *testing.T) {
	r := newRing(t)
	b := start(t, broker.Options{Partitions: 1})
	for seq := range uint64(10) {
		announce(t, b.Addr(), 0, r.analyzer, revocation("s", seq+1))
	}
	announce(t, b.Addr(), 0, r.analyzer, revocation("end", 1))
	b.Compact()
	f := newFollower(t, b.Addr(), t.TempDir(), r)
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	f.wants(t, "s-10", "end-1")
}

func TestKafkaComesLaterAndGoesAndComesBack(t *testing.T) {
	r := newRing(t)
	o := broker.Options{Addr: nobody(t), Dir: t.TempDir(), Partitions: 2}
	f := newFollower(t, o.Addr, t.TempDir(), r)
	f.run(t)
	err := f.Accept(sign(t, r.analyzer, revocation("admin", 1))) // Works without Kafka.
	if err != nil {
		t.Fatal(err)
	}
	if f.CaughtUp() {
		t.Error("caught up with a topic that nobody has seen")
	}
	b := start(t, o)
	until(t, "caught up", f.CaughtUp)
	announce(t, o.Addr, 0, r.analyzer, revocation("before", 1))
	f.wants(t, "admin-1", "before-1")
	b.Close()
	until(t, "the outage shows", func() bool { return f.log.count("verdicts not followed") > 0 })
	start(t, o)
	announce(t, o.Addr, 1, r.analyzer, revocation("after", 1))
	f.wants(t, "admin-1", "before-1", "after-1")
}

func TestTopicThatWasMadeAnewIsReadFromItsBeginning(t *testing.T) {
	r := newRing(t)
	o := broker.Options{Partitions: 1}
	b := start(t, o)
	o.Addr = b.Addr()
	f := newFollower(t, o.Addr, t.TempDir(), r)
	f.run(t)
	for i := range 5 {
		announce(t, o.Addr, 0, r.analyzer, revocation(fmt.Sprint("old", i), 1))
	}
	until(t, "five are applied", func() bool { return len(f.table.ids()) == 5 })
	b.Close()
	start(t, o) // In memory: its offsets begin at 0 again.
	announce(t, o.Addr, 0, r.analyzer, revocation("new", 1))
	until(t, "the new one is applied", func() bool { return len(f.table.ids()) == 6 })
}

func TestMoreVerdictsThanMayBeKeptAreStillEnforced(t *testing.T) {
	r := newRing(t)
	f := newFollower(t, nobody(t), t.TempDir(), r, func(o *revoke.Options) { o.Config.VerdictsMax = 2 })
	var want []string
	for i := range 4 {
		v := revocation(fmt.Sprint("s", i), 1)
		want = append(want, v.Id)
		err := f.Accept(sign(t, r.analyzer, v))
		if full := errors.Is(err, revoke.ErrFull); full != (i >= 2) || err != nil && !full {
			t.Fatalf("Accept(verdict %d) = %v, want ErrFull from the third on", i+1, err)
		}
	}
	f.wants(t, want...)
	if st := f.Stats(); st.Verdicts != 2 || st.Unsaved != 2 {
		t.Errorf("stats = %+v, want 2 kept and 2 unsaved", st)
	}
}

func TestDamagedFile(t *testing.T) {
	r := newRing(t)
	dir := t.TempDir()
	f := newFollower(t, nobody(t), dir, r)
	for i := range 4 {
		err := f.Accept(sign(t, r.analyzer, revocation(fmt.Sprint("s", i), 1)))
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, revoke.FileName)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(file, []byte("\n"))
	flip := func(line []byte) []byte {
		line = bytes.Clone(line)
		line[len(line)/2] ^= 1
		return line
	}
	whole := bytes.Join(lines[:3], nil)
	tests := map[string]struct {
		file    []byte
		want    []string
		damaged uint64
	}{
		"nothing":                  {nil, nil, 0},
		"a torn end":               {append(bytes.Clone(whole), lines[3][:40]...), []string{"s0-1", "s1-1", "s2-1"}, 1},
		"an end without newline":   {file[:len(file)-1], []string{"s0-1", "s1-1", "s2-1"}, 1},
		"a flipped bit":            {bytes.Join([][]byte{lines[0], flip(lines[1]), lines[2]}, nil), []string{"s0-1", "s2-1"}, 1},
		"noise":                    {[]byte("\x00\x00\n\nv1 zz yy\nv1 00000000 1 a\n"), nil, 4},
		"a line that never ends":   {bytes.Repeat([]byte("x"), 3<<20), nil, 1},
		"a long line, then a good": {append(append(bytes.Repeat([]byte("x"), 3<<20), '\n'), lines[0]...), []string{"s0-1"}, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			err := os.WriteFile(filepath.Join(dir, revoke.FileName), tt.file, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			f := newFollower(t, nobody(t), dir, r)
			err = f.Load()
			if err != nil {
				t.Fatal(err)
			}
			f.wants(t, tt.want...)
			if got := f.Stats().Damaged; got != tt.damaged {
				t.Errorf("damaged = %d, want %d", got, tt.damaged)
			}
			// What comes next is not glued to the damage.
			err = f.Accept(sign(t, r.analyzer, revocation("next", 1)))
			if err != nil {
				t.Fatal(err)
			}
			again := newFollower(t, nobody(t), dir, r)
			err = again.Load()
			if err != nil {
				t.Fatal(err)
			}
			again.wants(t, append([]string{"next-1"}, tt.want...)...)
			if got := again.Stats().Damaged; got != 0 {
				t.Errorf("%d damaged lines are still there after the next verdict", got)
			}
		})
	}
}

func TestFileIsRewrittenWhenItHasGrown(t *testing.T) {
	r := newRing(t)
	dir := t.TempDir()
	f := newFollower(t, nobody(t), dir, r)
	long := strings.Repeat("x", 100<<10)
	var largest int64
	for seq := range uint64(40) {
		v := revocation("s", seq+1)
		v.OperatorText = long
		err := f.Accept(sign(t, r.analyzer, v))
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, f.Stats().FileBytes)
	}
	if largest > 2<<20 {
		t.Errorf("the file grew to %d B for one live verdict of 140 kB", largest)
	}
	st, err := os.Stat(filepath.Join(dir, revoke.FileName))
	if err != nil || st.Size() != f.Stats().FileBytes {
		t.Errorf("file has %v B (%v), stats say %d", st.Size(), err, f.Stats().FileBytes)
	}
	again := newFollower(t, nobody(t), dir, r)
	err = again.Load()
	if err != nil {
		t.Fatal(err)
	}
	again.wants(t, "s-40")
}

// What is said to be saved is, and what is not is said to be not: else an operator who
// ends a session would find it back after a restart.
func TestFileThatIsFullDoesNotStopEnforcement(t *testing.T) {
	r := newRing(t)
	dir := t.TempDir()
	f := newFollower(t, nobody(t), dir, r, func(o *revoke.Options) { o.Config.FileBytesMax = 4 << 10 })
	var saved []string
	for i := range 20 {
		v := revocation(fmt.Sprint("s", i), 1)
		err := f.Accept(sign(t, r.analyzer, v))
		switch {
		case err == nil:
			saved = append(saved, v.Id)
		case !errors.Is(err, revoke.ErrFull):
			t.Fatal(err)
		}
	}
	again := newFollower(t, nobody(t), dir, r)
	err := again.Load()
	if err != nil {
		t.Fatal(err)
	}
	again.wants(t, saved...)
	st := f.Stats()
	if len(f.table.ids()) != 20 || st.Unsaved == 0 || st.FileBytes > 4<<10 {
		t.Errorf("applied %d, stats %+v; want 20 applied, some unsaved, at most 4 KiB", len(f.table.ids()), st)
	}
}

func TestFileThatCannotBeUsedIsAnError(t *testing.T) {
	r := newRing(t)
	dir := t.TempDir()
	err := os.Mkdir(filepath.Join(dir, revoke.FileName), 0o700)
	if err != nil {
		t.Fatal(err)
	}
	f := newFollower(t, nobody(t), dir, r)
	if f.Load() == nil || f.Run(t.Context()) == nil || f.Accept(sign(t, r.analyzer, revocation("s", 1))) == nil {
		t.Error("a verdict file that is a directory was taken")
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	err := revoke.Config{}.Validate()
	for _, key := range []string{"dir", "verdicts_max", "file_bytes_max", "request_timeout", "poll_wait", "retry_min", "retry_max"} {
		if !strings.Contains(fmt.Sprint(err), key+":") {
			t.Errorf("no fault names %s: %v", key, err)
		}
	}
	good := revoke.DefaultConfig()
	good.Dir = "/var/lib/vigil"
	err = good.Validate()
	if err != nil {
		t.Errorf("the default configuration has faults: %v", err)
	}
}

// A record that is larger than an answer is asked to be comes all the same, and what
// comes behind it too.
func TestARecordThatIsLargerThanAnAnswer(t *testing.T) {
	r := newRing(t)
	b := start(t, broker.Options{Partitions: 1})
	for i := range uint64(3) {
		v := revocation(fmt.Sprint("s", i), 1)
		v.OperatorText = strings.Repeat("x", 200<<10)
		announce(t, b.Addr(), 0, r.analyzer, v)
		announce(t, b.Addr(), 0, r.analyzer, revocation(fmt.Sprint("small", i), 1))
	}
	f := newFollower(t, b.Addr(), t.TempDir(), r)
	f.run(t)
	until(t, "caught up", f.CaughtUp)
	f.wants(t, "s0-1", "small0-1", "s1-1", "small1-1", "s2-1", "small2-1")
}
