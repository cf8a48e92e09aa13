package epochs_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/epochs"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/epoch"
	"github.com/vigil-gateway/vigil/scorer/sequence"
)

// TestMain finds goroutines that outlive the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs an exchange on a broker until the test ends.
func start(t *testing.T, addr string, change ...func(*epochs.Options)) *epochs.Exchange {
	t.Helper()
	x := open(t, addr, change...)
	ctx, done := t.Context(), make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	t.Cleanup(func() {
		err := <-done // The test's context has ended.
		if err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return x
}

// open returns an exchange that has read nothing yet.
func open(t *testing.T, addr string, change ...func(*epochs.Options)) *epochs.Exchange {
	t.Helper()
	root, key := ed25519.NewKeyFromSeed(make([]byte, 32)), ed25519.NewKeyFromSeed([]byte("analyzer key for tests, 32 bytes"))
	file, err := verdict.SignKeySet(root, []verdict.Key{
		{ID: "a", Class: verdict.ClassAnalyzer, Public: key.Public().(ed25519.PublicKey)},
		{ID: "o", Class: verdict.ClassOperator, Public: operatorKey().Public().(ed25519.PublicKey)},
	})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := verdict.OpenKeySet(root.Public().(ed25519.PublicKey), file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := announce.NewWriter(nil, []string{addr}, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	c := epochs.DefaultConfig()
	c.Wait = 300 * time.Millisecond
	o := epochs.Options{
		Config: c, Brokers: []string{addr}, Writer: w, Signer: verdict.NewSigner("a", key), Keys: keys,
		Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now,
	}
	for _, f := range change {
		f(&o)
	}
	x, err := epochs.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func operatorKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("operator key for tests, 32 bytes"))
}

// learned is what a partition has learned by a day.
func learned(partition int32, day int) *epoch.Summary {
	shared := sequence.NewShared()
	for i := range 3000 + day {
		shared.Add(sequence.Symbol(1+(i+1)%9), sequence.Symbol(1+i%9))
	}
	return &epoch.Summary{Tenant: "t", Partition: partition, At: int64(day) * int64(24*time.Hour), Sequence: shared}
}

// TestEpochsFollowEachOther lets a partition learn for eighteen days: an epoch a
// day, of which the latest sixteen can still be had.
func TestEpochsFollowEachOther(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	var today atomic.Int64
	x := start(t, b.Addr(), func(o *epochs.Options) {
		o.Now = func() time.Time { return time.Unix(0, 0).Add(time.Duration(today.Load()) * 24 * time.Hour) }
	})
	var refs []epoch.Reference
	var last *epoch.Epoch
	for day := range 18 {
		today.Store(int64(day))
		// What the first day says is said again by the second: when that one's
		// arrives, the first epoch may have been built already.
		s := learned(1, max(1, day))
		last = epoch.Build(last, s)
		refs = append(refs, last.Reference())
		x.Publish(s)
		x.Lead(day > 0) // Nobody else may build.
		built := false
		for range 200 {
			err := x.Tend(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = x.Find(t.Context(), refs[day])
			built = err == nil
			if built || day == 0 {
				break
			}
		}
		if built != (day > 0) {
			t.Fatalf("day %d: epoch built is %t; who does not lead builds none", day, built)
		}
		if day == 0 {
			refs, last = nil, nil
			refs = append(refs, epoch.Reference{})
		}
	}
	other := start(t, b.Addr())
	var got *epoch.Epoch
	for range 100 {
		got, err = other.Find(t.Context(), refs[17])
		if err == nil {
			break
		}
	}
	if err != nil || got.Number != 17 {
		t.Fatalf("another process finds %v, %v; want epoch 17", got, err)
	}
	for day, ref := range refs[1:] {
		_, err := other.Find(t.Context(), ref)
		for range 100 { // What takes it out comes last.
			if day >= 1 || err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
			_, err = other.Find(t.Context(), ref)
		}
		if gone := day < 1; gone != errors.Is(err, epochs.ErrMissing) {
			t.Errorf("epoch %d of 17: %v; want only those beyond the latest 16 gone", ref.Number, err)
		}
	}
}

// TestALeaderReadsBeforeItActs lets a process lead that has read nothing: what it
// puts in force is the latest epoch in the topic, and what it builds comes after.
func TestALeaderReadsBeforeItActs(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	before := start(t, b.Addr())
	before.Lead(true)
	first := epoch.Build(nil, learned(1, 1))
	before.Publish(learned(1, 1))
	found := func(x *epochs.Exchange, ref epoch.Reference) (err error) {
		for range 200 {
			err = x.Tend(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = x.Find(t.Context(), ref)
			if err == nil {
				break
			}
		}
		return err
	}
	err = found(before, first.Reference())
	if err != nil {
		t.Fatal(err)
	}
	before.Lead(false)
	before.Publish(learned(1, 2))
	err = before.Tend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after := open(t, b.Addr())
	after.Lead(true)
	err = after.Tend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []epoch.Reference{first.Reference(), first.Reference(), epoch.Build(first, learned(1, 2)).Reference()}
	for p := range 2 {
		if diff := cmp.Diff(want, controls(t, b.Addr(), p)); diff != "" {
			t.Errorf("control records of partition %d (-want +got):\n%s", p, diff)
		}
	}
}

// controls are the epochs that the control records of a partition name.
func controls(t *testing.T, addr string, partition int) (refs []epoch.Reference) {
	t.Helper()
	w, err := announce.NewWriter(nil, []string{addr}, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	_, err = w.Read(t.Context(), topic.Requests, partition, 0, func(m kafka.Message) {
		var ev event.RequestEvent
		err := event.Decode(m.Value, &ev)
		ref, ok := epoch.Named(&ev)
		if err != nil || !ok {
			t.Errorf("record %d is no control record for an epoch: %v", m.Offset, err)
		}
		refs = append(refs, ref)
	})
	if err != nil {
		t.Fatal(err)
	}
	return refs
}

func TestOnlyEpochsNeedBelief(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	x := start(t, b.Addr())
	err = x.Believe(t.Context(), &event.RequestEvent{Kind: event.KindControl, Reason: event.ReasonClear})
	if err != nil {
		t.Errorf("a clear: %v; it is another's business", err)
	}
	err = x.Believe(t.Context(), epoch.Build(nil, learned(0, 1)).Reference().Control())
	if !errors.Is(err, epochs.ErrUnbelieved) {
		t.Errorf("an unsigned epoch: %v, want %v", err, epochs.ErrUnbelieved)
	}
}

func TestBadConfigIsRefused(t *testing.T) {
	tests := map[string]epochs.Config{
		"an epoch a second":                             {Every: time.Second, Promotion: epochs.Automatic, Wait: time.Second},
		"epochs gone before the records that name them": {Every: 12 * time.Hour, Promotion: epochs.Automatic, Wait: time.Second},
		"no waiting at all":                             {Every: 24 * time.Hour, Promotion: epochs.Automatic},
		"waiting for a day":                             {Every: 24 * time.Hour, Promotion: epochs.Automatic, Wait: 24 * time.Hour},
		"promotion by nobody":                           {Every: 24 * time.Hour, Wait: time.Second},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			err := c.Validate()
			if err == nil {
				t.Error("is accepted")
			}
		})
	}
	err := epochs.DefaultConfig().Validate()
	if err != nil {
		t.Errorf("the default: %v", err)
	}
}

// An outage is logged when it begins, however long it lasts, and counted each time.
func TestAnOutageIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	reader := sdk.NewManualReader()
	x := open(t, "127.0.0.1:1", func(o *epochs.Options) { // Nobody listens there.
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.Meter = sdk.NewMeterProvider(sdk.WithReader(reader)).Meter("")
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx) }()
	for faults(t, reader) < 3 {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	err := <-ended
	if err != nil || strings.Count(log.String(), "stage=follow") != 1 {
		t.Errorf("Run = %v, and it has logged:\n%s", err, log.String())
	}
}

// faults is how many faults an exchange has counted.
func faults(t *testing.T, r *sdk.ManualReader) int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	err := r.Collect(t.Context(), &all)
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if ok && m.Name == "vigil.analyzer.epoch_errors" && len(sum.DataPoints) > 0 {
				return sum.DataPoints[0].Value
			}
		}
	}
	return 0
}
