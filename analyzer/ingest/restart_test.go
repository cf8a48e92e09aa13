package ingest_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// What a faulty broker loses.
const (
	nothing = iota
	writes  // What analyzers write, but not their commits.
	everything
	behind // Assessments alone.
)

// newFaulty is a rig whose broker can be told to lose what analyzers write:
// an analyzer that is stopped meanwhile looks like one that was killed.
func newFaulty(t *testing.T) (r *rig, lose *atomic.Int32) {
	t.Helper()
	r, lose, _ = newFaultyCluster(t)
	return r, lose
}

func newFaultyCluster(t *testing.T) (r *rig, lose *atomic.Int32, c *kfake.Cluster) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, spec := range topic.All(partitions) {
		err := c.CreateTopic(spec.Name, int32(spec.Partitions), nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	lose = new(atomic.Int32)
	lost := errors.New("lost on purpose")
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		p, ok := req.(*kmsg.ProduceRequest)
		if ok && lose.Load() == behind && p.Topics[0].Topic != topic.Assessments {
			return nil, nil, false
		}
		if ok && lose.Load() != nothing && p.Topics[0].Topic != topic.Requests {
			return nil, lost, true
		}
		return nil, nil, false
	})
	c.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return nil, lost, lose.Load() == everything
	})
	return rigOn(t, c.ListenAddrs()[0]), lose, c
}

func impatient(o *ingest.Options) { o.Config.Drain = 50 * time.Millisecond }

// Lives that end anywhere: every event is scored as if there had been one
// life, and every verdict is there under its one id.
func TestKilledAnywhereNothingIsLostOrScoredTwice(t *testing.T) {
	for _, tt := range []struct {
		name  string
		state bool
	}{{"with state on disk", true}, {"without state", false}} {
		t.Run(tt.name, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 1))
			r, lose := newFaulty(t)
			dir := ""
			if tt.state {
				dir = t.TempDir()
			}
			const lives, each = 6, 60
			want, count := make(map[int64]float64), make(map[string]int)
			ids := make(map[string]bool)
			n := 0
			for life := range lives {
				a := r.start(dir, impatient)
				dies := 1 + random.IntN(each-1) // Not before there is anything to do.
				for i := range each {
					if i == dies && life < lives-1 {
						if random.IntN(2) == 0 {
							eventually(t, "it works", func() bool { return len(r.assessments(1)) > random.IntN(n+1)/2 })
						}
						lose.Store(writes + random.Int32N(2))
					}
					subject := []string{"alice", "bob", "carol"}[n%3]
					path := "/"
					if n%20 == 19 {
						path = "/steal"
						ids["vigil.requests-1-"+strconv.Itoa(n)] = true
					}
					ev := request(n, subject, path)
					ev.Session = "session-" + strconv.Itoa(n)
					count[subject]++
					want[int64(n)] = float64(count[subject])
					r.send(1, ev)
					n++
				}
				if life < lives-1 {
					a.stop()
					lose.Store(nothing)
				}
			}
			eventually(t, "every event is assessed", func() bool { return len(r.assessments(1)) == n })
			for offset, score := range r.assessments(1) {
				if want[offset] != score {
					t.Errorf("offset %d scored %v, want %v", offset, score, want[offset])
				}
			}
			epoch := uint64(0)
			for _, v := range r.verdicts(1) {
				if v.Epoch < epoch {
					t.Errorf("epoch %d after %d", v.Epoch, epoch)
				}
				epoch = v.Epoch
				delete(ids, v.Id)
			}
			if len(ids) > 0 {
				t.Errorf("verdicts that are missing: %v", ids)
			}
			if epoch < 2 {
				t.Errorf("epoch %d after %d lives", epoch, lives)
			}
		})
	}
}

// What has had its effect is not announced again by whoever replays it.
func TestReplayAnnouncesNothingTwice(t *testing.T) {
	r := newRig(t)
	a := r.start("")
	r.send(0, request(0, "alice", "/steal"), request(1, "bob", "/"))
	eventually(t, "two assessments", func() bool { return len(r.assessments(0)) == 2 })
	a.stop()
	r.start("") // No state: it replays from the beginning.
	r.send(0, request(2, "alice", "/"))
	eventually(t, "the third assessment", func() bool { return len(r.assessments(0)) == 3 })
	if got := r.assessments(0)[2]; got != 2 {
		t.Errorf("after the replay alice's second event scored %v, want 2", got)
	}
	if n := len(r.verdicts(0)); n != 1 {
		t.Errorf("%d verdicts, want 1", n)
	}
	written := 0
	for _, m := range r.read(topic.Assessments, 0) {
		b, err := assessment.Decode(m.Value)
		if err != nil {
			t.Fatal(err)
		}
		written += len(b.Assessments)
	}
	if written != 3 {
		t.Errorf("%d assessments are written, want 3", written)
	}
}

// remake deletes vigil.requests and makes it anew.
func (r *rig) remake() {
	r.t.Helper()
	r.drop()
	r.create()
}

func (r *rig) drop() {
	r.t.Helper()
	deleted, err := r.client.DeleteTopics(r.t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{topic.Requests}})
	if err != nil || deleted.Errors[topic.Requests] != nil {
		r.t.Fatal(err, deleted)
	}
}

func (r *rig) create() {
	r.t.Helper()
	created, err := r.client.CreateTopics(r.t.Context(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic.Requests, NumPartitions: partitions, ReplicationFactor: 1}},
	})
	if err != nil || created.Errors[topic.Requests] != nil {
		r.t.Fatal(err, created)
	}
}

// Somebody deletes the topic and makes it anew: offsets start again, and neither
// the state's nor the group's nor the verdicts' old offsets hide records, also
// where the new topic has grown beyond the old one before anybody looks.
func TestTopicThatBeginsAgainIsScoredFromItsStart(t *testing.T) {
	for name, more := range map[string]int{"a shorter topic": 0, "a longer topic": 20} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			dir := t.TempDir()
			a := r.start(dir)
			for n := range 5 {
				ev := request(n, "alice", "/steal")
				r.send(0, ev)
			}
			eventually(t, "the first life's assessments", func() bool { return len(r.assessments(0)) == 5 && len(r.verdicts(0)) > 0 })
			a.stop()
			r.remake()
			before := len(r.verdicts(0))
			ev := request(6, "bob", "/steal")
			r.send(0, request(5, "alice", "/"), ev)
			for n := range more {
				r.send(0, request(7+n, "carol", "/"))
			}
			r.start(dir)
			eventually(t, "bob's verdict", func() bool { return len(r.verdicts(0)) == before+1 })
			if v := r.verdicts(0)[before]; v.Target.Id != ev.Session || v.Cause.Offset != 1 {
				t.Errorf("verdict = %v", v)
			}
		})
	}
}

// heard is a log that counts the faults of reading.
type heard struct {
	slog.Handler
	faults *atomic.Int32
}

func (h heard) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "stage" && a.Value.String() == "fetch" {
			h.faults.Add(1)
		}
		return true
	})
	return nil
}

func (h heard) Enabled(context.Context, slog.Level) bool { return true }
func (h heard) WithAttrs([]slog.Attr) slog.Handler       { return h }

// The topic is made anew under a running analyzer, and has more records than the
// old one before it is read.
func TestTopicThatBeginsAgainUnderARunningAnalyzer(t *testing.T) {
	r := newRig(t)
	var faults atomic.Int32
	r.start(t.TempDir(), func(o *ingest.Options) { o.Logger = slog.New(heard{slog.DiscardHandler, &faults}) })
	r.send(0, request(0, "alice", "/"), request(1, "alice", "/"))
	eventually(t, "the old topic's assessments", func() bool { return len(r.assessments(0)) == 2 })
	r.drop()
	eventually(t, "it misses the topic", func() bool { return faults.Load() > 0 })
	r.create()
	for n := range 20 {
		r.send(0, request(n, "bob", "/"))
	}
	eventually(t, "the new topic is assessed from its start", func() bool { return r.assessments(0)[0] == 1 && len(r.assessments(0)) == 20 })
	for offset, score := range r.assessments(0) {
		if score != float64(offset+1) {
			t.Errorf("offset %d scored %v, want %d", offset, score, offset+1)
		}
	}
	var topics []string
	for _, m := range r.read(topic.Assessments, 0) {
		b, err := assessment.Decode(m.Value)
		if err != nil {
			t.Fatal(err)
		}
		topics = append(topics, b.TopicId)
	}
	if ids := slices.Compact(topics); len(ids) != 2 || slices.Contains(ids, "") {
		t.Errorf("assessments are of topics %q, want of the old one, then of the new one", ids)
	}
}

// A flipped bit on disk costs a longer replay.
func TestDamagedStateFallsBackAndReplays(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	file := filepath.Join(dir, topic.Requests, "partition-0.state")
	for n := range 3 { // Three lives leave two files.
		a := r.start(dir)
		r.send(0, request(n, "alice", "/"))
		eventually(t, "the assessment", func() bool { return len(r.assessments(0)) == n+1 })
		a.stop()
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	err = os.WriteFile(file, b, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	r.start(dir)
	r.send(0, request(3, "alice", "/"))
	eventually(t, "the assessment", func() bool { return len(r.assessments(0)) == 4 })
	if got := r.assessments(0)[3]; got != 4 {
		t.Errorf("alice's fourth event scored %v, want 4", got)
	}
}

// Each partition takes only its own keys out of the warm start.
func TestWarmStartIsDividedByPartition(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "history")
	err := os.WriteFile(file, []byte(`{"Count":{"alice":10,"bob":20,"carol":30,"dave":40}}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	r.start("", func(o *ingest.Options) { o.Keep.WarmStart = file })
	lanes := topic.Lanes{Count: 16, Seed: 1}
	n := 0
	for subject, past := range map[string]float64{"alice": 10, "bob": 20, "carol": 30, "dave": 40} {
		home := topic.Partition(lanes.Of(topic.RequestKey("default", subject, "")), partitions)
		for p, want := range map[int]float64{home: past + 1, (home + 1) % partitions: 1} {
			before := len(r.assessments(p))
			r.send(p, request(n, subject, "/"))
			n++
			eventually(t, "the assessment", func() bool { return len(r.assessments(p)) == before+1 })
			if got := r.assessments(p)[int64(before)]; got != want {
				t.Errorf("%s in partition %d, at home in %d: scored %v, want %v", subject, p, home, got, want)
			}
		}
	}
}

// Two members share the work; when one leaves, the other goes on with all of
// it, and nothing is lost or scored from a wrong state.
func TestRebalanceWithTwoMembers(t *testing.T) {
	r := newRig(t)
	a := r.start(t.TempDir())
	want := make(map[int]int)
	n := 0
	burst := func() {
		for p := range partitions {
			for range 10 {
				r.send(p, request(n, "alice", "/"))
				n++
				want[p]++
			}
		}
	}
	burst()
	b := r.start(t.TempDir())
	burst()
	eventually(t, "both own something", func() bool { return len(a.Status()) > 0 && len(b.Status()) > 0 })
	burst()
	a.stop()
	burst()
	eventually(t, "the survivor owns all", func() bool { return len(b.Status()) == partitions })
	for p := range partitions {
		eventually(t, "every event is assessed", func() bool { return len(r.assessments(p)) == want[p] })
		for offset, score := range r.assessments(p) {
			if score != float64(offset+1) {
				t.Errorf("partition %d offset %d scored %v, want %d", p, offset, score, offset+1)
			}
		}
	}
	for p := range partitions {
		var epochs []uint64
		for _, h := range r.heartbeats(p) {
			if len(epochs) == 0 || epochs[len(epochs)-1] != h.Epoch {
				epochs = append(epochs, h.Epoch)
			}
		}
		for i := 1; i < len(epochs); i++ {
			if epochs[i] < epochs[i-1] {
				t.Errorf("partition %d: epochs %v step back", p, epochs)
			}
		}
	}
}
