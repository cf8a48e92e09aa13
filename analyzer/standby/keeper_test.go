package standby_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/vigil-gateway/vigil/analyzer/standby"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/scorer"
)

const (
	topicName  = "requests"
	partitions = 3
)

// archive is one in memory, of snapshots of one chunk.
type archive struct {
	mu     sync.Mutex
	stored map[int][]snapshot // By partition, the newest first.
	asked  []int              // Whose snapshots somebody wanted listed.
	read   int                // Chunks that were read.
	down   map[int]bool       // Partitions for which it does not answer.
}

type snapshot struct {
	next    int64
	epoch   uint64
	body    string
	damaged bool
}

func (a *archive) add(partition int, s snapshot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stored[partition] = append([]snapshot{s}, a.stored[partition]...)
}

func (a *archive) List(ctx context.Context, topic string, partition int) ([]state.Archived, error) {
	a.mu.Lock()
	a.asked = append(a.asked, partition)
	down := a.down[partition]
	a.mu.Unlock()
	if down {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []state.Archived
	for _, s := range a.stored[partition] {
		h := state.Header{Topic: topic, Partition: partition, Next: s.next, Epoch: s.epoch, Saved: time.Unix(s.next, 0)}
		out = append(out, state.Archived{Header: h, Chunks: 1, Bytes: int64(len(s.body))})
	}
	return out, nil
}

func (a *archive) Chunk(_ context.Context, of state.Archived, _ int) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.read++
	for _, s := range a.stored[of.Partition] {
		if s.next == of.Next && s.epoch == of.Epoch && !s.damaged {
			return []byte(s.body), nil
		}
	}
	return nil, state.ErrDamaged
}

func (*archive) Put(context.Context, state.Header, []byte) error { return nil }

func (*archive) Describe(context.Context, state.Header, func(func(*scorer.Profile) bool) error) error {
	return nil
}

// rig is a keeper at work in a bubble.
type rig struct {
	t       *testing.T
	dir     string
	archive *archive
	store   *state.Store
	keeper  *standby.Keeper
	reader  *sdk.ManualReader
}

const every = 10 * time.Second

// inBubble runs a test beside a keeper that has begun; prepare may put things in place
// before.
func inBubble(t *testing.T, c standby.Config, prepare, test func(r *rig)) {
	t.Helper()
	dir := t.TempDir()
	bubble.Test(t, func(t *testing.T) {
		r := &rig{t: t, dir: dir, archive: &archive{stored: make(map[int][]snapshot), down: make(map[int]bool)}, reader: sdk.NewManualReader()}
		meter := sdk.NewMeterProvider(sdk.WithReader(r.reader)).Meter("test")
		keep := state.DefaultConfig()
		keep.Dir = dir
		var err error
		r.store, err = state.New(state.Options{Config: keep, Archive: r.archive, Logger: slog.New(slog.DiscardHandler), Meter: meter, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		r.keeper, err = standby.New(standby.Options{
			Config: c, Store: r.store, Topics: []string{topicName}, Logger: slog.New(slog.DiscardHandler), Meter: meter, Now: time.Now,
			Partitions: func(context.Context, string) (int, error) { return partitions, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		prepare(r)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.keeper.Run(ctx) }()
		time.Sleep(every / 2) // Between two rounds: a copy, and an archive that is down, take time.
		bubble.Wait()
		test(r)
		cancel()
		err = <-done
		if err != nil {
			t.Error(err)
		}
	})
}

func config() standby.Config {
	c := standby.DefaultConfig()
	c.Workers, c.Every = 1, every
	return c
}

// round lets the keeper look once more at everything.
func (r *rig) round() {
	r.t.Helper()
	time.Sleep(every)
	bubble.Wait()
}

// onDisk is the body that a takeover of a partition would restore.
func (r *rig) onDisk(partition int) string {
	r.t.Helper()
	for _, f := range r.store.Find(r.t.Context(), topicName, partition) {
		got := ""
		err := f.Restore(r.t.Context(), func(b *bytes.Buffer) error { got = b.String(); return nil })
		if err == nil {
			return got
		}
	}
	return ""
}

// metrics are the values of all instruments, by name and the one attribute that counts.
func (r *rig) metrics() map[string]float64 {
	r.t.Helper()
	var data metricdata.ResourceMetrics
	err := r.reader.Collect(r.t.Context(), &data)
	if err != nil {
		r.t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			name := strings.TrimPrefix(m.Name, "vigil.analyzer.")
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					result, _ := p.Attributes.Value("result")
					out[name+" "+result.AsString()] = float64(p.Value)
				}
			case metricdata.Gauge[int64]:
				out[name] = float64(d.DataPoints[0].Value)
			case metricdata.Gauge[float64]:
				for _, p := range d.DataPoints {
					partition, _ := p.Attributes.Value("partition")
					out[name+" "+strconv.FormatInt(partition.AsInt64(), 10)] = p.Value
				}
			}
		}
	}
	return out
}

// want compares some of the metrics.
func (r *rig) want(want map[string]float64) {
	r.t.Helper()
	got := r.metrics()
	maps.DeleteFunc(got, func(name string, _ float64) bool { _, there := want[name]; return !there })
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Error(diff)
	}
}

// What others archive is on this disk within one round, and no snapshot is read twice.
func TestCopiesFollowTheArchive(t *testing.T) {
	inBubble(t, config(), func(r *rig) {
		r.archive.add(0, snapshot{next: 10, epoch: 1, body: "zero"})
		r.archive.add(1, snapshot{next: 20, epoch: 1, body: "one"})
	}, func(r *rig) {
		for range 3 {
			r.round()
		}
		if a, b := r.onDisk(0), r.onDisk(1); a != "zero" || b != "one" || r.archive.read != 2 {
			t.Errorf("on disk are %q and %q after %d reads, want zero and one after 2", a, b, r.archive.read)
		}
		r.archive.add(1, snapshot{next: 30, epoch: 1, body: "later"})
		r.archive.add(1, snapshot{next: 5, epoch: 2, body: "another owner's"})
		r.round()
		if got := r.onDisk(1); got != "another owner's" {
			t.Errorf("on disk is %q, want that of the later epoch", got)
		}
		want := []standby.Copy{
			{Topic: topicName, Partition: 0, Next: 10, Epoch: 1, Saved: time.Unix(10, 0).UTC(), Current: true},
			{Topic: topicName, Partition: 1, Next: 5, Epoch: 2, Saved: time.Unix(5, 0).UTC(), Current: true},
		}
		if diff := cmp.Diff(want, r.keeper.Copies()); diff != "" {
			t.Error(diff)
		}
		for p := range partitions { // Of partition 2 nobody has archived anything.
			if !r.keeper.Current(topicName, p) {
				t.Errorf("partition %d is not current", p)
			}
		}
		now := float64(time.Now().Unix())
		r.want(map[string]float64{
			"standby_copy_age 0": now - 10, "standby_copy_age 1": now - 5, "standby_behind": 0, "standby_copied ": 4 + 3 + 15,
			"standby_looks copied": 3, "standby_looks nothing": 5, "standby_size": float64(r.store.Size()), "standby_capacity": 64 << 30,
		})
	})
}

// A snapshot that the archive has damaged is refused and read once; the one before
// it is taken where it is newer than what is here, else what is here stays.
func TestADamagedSnapshotIsRefused(t *testing.T) {
	inBubble(t, config(), func(r *rig) {
		r.archive.add(0, snapshot{next: 10, epoch: 1, body: "good"})
	}, func(r *rig) {
		r.archive.add(0, snapshot{next: 20, epoch: 1, body: "bad", damaged: true})
		for range 3 {
			r.round()
		}
		if got := r.onDisk(0); got != "good" || r.keeper.Current(topicName, 0) || r.archive.read != 2 {
			t.Errorf("on disk is %q, current %v, after %d reads; want the good one, not current, after 2", got, r.keeper.Current(topicName, 0), r.archive.read)
		}
		r.want(map[string]float64{"standby_looks damaged": 3, "standby_behind": 1})
		r.archive.add(0, snapshot{next: 30, epoch: 1, body: "good again"})
		r.archive.add(0, snapshot{next: 40, epoch: 1, body: "bad again", damaged: true})
		r.round()
		if got := r.onDisk(0); got != "good again" {
			t.Errorf("on disk is %q, want the newest that is whole", got)
		}
	})
}

// What does not fit is not copied, and what is there stays.
func TestCopiesAreBounded(t *testing.T) {
	c := config()
	c.BytesMax = 1 << 20
	inBubble(t, c, func(r *rig) {
		r.archive.add(0, snapshot{next: 10, epoch: 1, body: strings.Repeat("a", 600<<10)})
		r.archive.add(1, snapshot{next: 10, epoch: 1, body: strings.Repeat("b", 600<<10)})
		r.archive.add(2, snapshot{next: 10, epoch: 1, body: strings.Repeat("c", 300<<10)})
	}, func(r *rig) {
		r.round()
		var there []int
		for p := range partitions {
			if r.onDisk(p) != "" {
				there = append(there, p)
			}
		}
		if !slices.Equal(there, []int{0, 2}) || r.store.Size() > c.BytesMax {
			t.Errorf("copied are %v, %d B in all, want 0 and 2 within %d B", there, r.store.Size(), c.BytesMax)
		}
		r.want(map[string]float64{"standby_looks full": 2, "standby_behind": 1, "standby_capacity": 1 << 20})
	})
}

// An archive that is down ends a round, is asked once a round, and takes nothing away;
// one partition for which alone it does not answer keeps no other from its turn.
func TestAnArchiveThatIsDown(t *testing.T) {
	inBubble(t, config(), func(r *rig) {
		for p := range partitions {
			r.archive.add(p, snapshot{next: 10, epoch: 1, body: "before"})
		}
	}, func(r *rig) {
		r.archive.mu.Lock()
		r.archive.down = map[int]bool{0: true, 1: true, 2: true}
		r.archive.asked = nil
		r.archive.mu.Unlock()
		for range 4 {
			r.round()
		}
		if len(r.archive.asked) > 5 {
			t.Errorf("an archive that is down was asked %d times in 4 rounds", len(r.archive.asked))
		}
		for p := range partitions {
			if r.onDisk(p) != "before" || !r.keeper.Current(topicName, p) {
				t.Errorf("partition %d: %q, current %v; nobody can have archived anything since", p, r.onDisk(p), r.keeper.Current(topicName, p))
			}
			r.archive.add(p, snapshot{next: 20, epoch: 1, body: "after"})
		}
		r.archive.mu.Lock()
		r.archive.down = map[int]bool{0: true}
		r.archive.mu.Unlock()
		for range partitions {
			r.round()
		}
		if a, b := r.onDisk(1), r.onDisk(2); a != "after" || b != "after" {
			t.Errorf("beside a partition that cannot be read are %q and %q", a, b)
		}
	})
}

// Files of a partition that is worked on here are its worker's, and what was known of
// it is forgotten: it is old when others have it again.
func TestAPartitionThatIsWorkedOnIsLeftAlone(t *testing.T) {
	inBubble(t, config(), func(r *rig) {
		r.archive.add(0, snapshot{next: 10, epoch: 1, body: "copy"})
	}, func(r *rig) {
		release := r.store.Own(topicName, 0)
		err := r.store.Save(t.Context(), state.Header{Topic: topicName, Next: 20, Epoch: 2}, func(w io.Writer) error {
			_, err := io.WriteString(w, "own")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		r.archive.add(0, snapshot{next: 30, epoch: 3, body: "a later owner's"})
		r.round()
		if got := r.onDisk(0); got != "own" || r.keeper.Current(topicName, 0) || len(r.keeper.Copies()) != 0 {
			t.Errorf("while it works, on disk is %q, and copies are %v", got, r.keeper.Copies())
		}
		release()
		r.round()
		if got := r.onDisk(0); got != "a later owner's" || !r.keeper.Current(topicName, 0) {
			t.Errorf("when others work, on disk is %q", got)
		}
	})
}

// A disk that is full costs the newer copy, is told, and is tried again.
func TestADiskThatIsFull(t *testing.T) {
	inBubble(t, config(), func(r *rig) {
		r.archive.add(0, snapshot{next: 10, epoch: 1, body: "before"})
	}, func(r *rig) {
		r.archive.add(0, snapshot{next: 20, epoch: 1, body: "after"})
		err := os.Symlink("/dev/full", filepath.Join(r.dir, topicName, "partition-0.state.copy"))
		if err != nil {
			t.Fatal(err)
		}
		r.round()
		if got := r.onDisk(0); got != "before" || r.keeper.Current(topicName, 0) {
			t.Errorf("on a full disk is %q, current %v", got, r.keeper.Current(topicName, 0))
		}
		r.want(map[string]float64{"standby_looks failed": 1, "standby_behind": 1})
		r.round()
		if got := r.onDisk(0); got != "after" {
			t.Errorf("when there is room again, on disk is %q", got)
		}
	})
}

// Every key has a bound that is said with its name.
func TestConfigFaultsAreNamed(t *testing.T) {
	err := standby.Config{Workers: -1, Every: time.Millisecond, BytesMax: 1, BytesPerSecond: 1}.Validate()
	for _, key := range []string{"workers: ", "every: ", "bytes_max: ", "bytes_per_second: "} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not said in %v", key, err)
		}
	}
	err = standby.DefaultConfig().Validate()
	if err != nil {
		t.Error(err)
	}
	_, err = standby.New(standby.Options{})
	if err == nil || errors.Unwrap(err) == nil {
		t.Errorf("New with faults = %v", err)
	}
}
