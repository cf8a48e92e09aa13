package ingest_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// onShelf waits until a partition's state up to next is on the shelf.
func (r *rig) onShelf(s *shelf, partition, next int) {
	r.t.Helper()
	eventually(r.t, "the state is on the shelf", func() bool {
		list := s.of(topic.Requests, partition)
		return len(list) > 0 && list[0].Next == int64(next)
	})
}

// firstLife lets a first analyzer score some records of each partition and end, with its
// state on its disk and on the shelf.
func firstLife(t *testing.T, r *rig, dir string, s *shelf) {
	t.Helper()
	a := r.start(dir, r.shelving(s))
	for p := range partitions {
		r.send(p, request(0, "alice", "/"), request(1, "alice", "/"))
	}
	for p := range partitions {
		r.onShelf(s, p, 2)
	}
	a.stop()
}

// shelving puts state on a shelf as well.
func (r *rig) shelving(s *shelf) tweak {
	return func(o *ingest.Options) {
		o.Keep.ArchiveEvery, o.Keep.ArchiveWait = time.Second, 100*time.Millisecond
		r.archive = s
	}
}

// wantScore sends one more event of alice and looks what it scores.
func wantScore(t *testing.T, r *rig, offset int64, want float64) {
	t.Helper()
	r.send(0, request(int(offset), "alice", "/"))
	eventually(t, "the assessment", func() bool { return len(r.assessments(0)) == int(offset)+1 })
	if got := r.assessments(0)[offset]; got != want {
		t.Errorf("alice's event at offset %d scored %v, want %v", offset, got, want)
	}
}

// Where the state of a partition comes from, and that whatever happens to the
// archive, the partition goes on right.
func TestStateComesFromTheNextBestPlace(t *testing.T) {
	for _, tt := range []struct {
		name    string
		another bool // Another analyzer takes the partition over.
		damage  bool // Its own files are damaged.
		hangs   bool
		fails   bool
		want    string
		silent  bool // The archive must not be asked.
	}{
		{name: "own disk, and nobody asks the archive", want: "disk", silent: true},
		{name: "own disk while the archive hangs", hangs: true, want: "disk", silent: true},
		{name: "the archive, for who has no state", another: true, want: "archive"},
		{name: "the archive, for who has damaged state", damage: true, want: "archive"},
		{name: "replay while the archive hangs", another: true, hangs: true, want: "replay"},
		{name: "replay while the archive is down", another: true, fails: true, want: "replay"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, s, dir, log := newRig(t), new(shelf), t.TempDir(), newBegun()
			firstLife(t, r, dir, s)
			if tt.another {
				dir = t.TempDir()
			}
			if tt.damage {
				spoil(t, dir)
			}
			s.hangs.Store(tt.hangs)
			s.fails.Store(tt.fails)
			s.forget()
			r.start(dir, r.shelving(s), log.log)
			eventually(t, "the partition is begun", func() bool { return log.last(0) != "" })
			if got := log.last(0); got != tt.want {
				t.Errorf("begun from %s, want %s", got, tt.want)
			}
			for _, asked := range s.questions() {
				if tt.silent && asked == 0 {
					t.Error("the archive was asked for partition 0")
				}
			}
			wantScore(t, r, 2, 3)
		})
	}
}

// Who has nothing of a partition asks the archive while the partition is taken over, and
// not only then.
func TestTheArchiveIsAskedAhead(t *testing.T) {
	r, _, cluster := newFaultyCluster(t)
	s, log := new(shelf), newBegun()
	cluster.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		q, ok := req.(*kmsg.ListOffsetsRequest)
		if !ok || q.Topics[0].Topic != topic.Verdicts || len(s.questions()) > 0 {
			return nil, nil, false
		}
		return nil, errors.New("not before the archive is asked"), true
	})
	r.start(t.TempDir(), r.shelving(s), log.log)
	eventually(t, "a partition is begun", func() bool { return log.last(0) == "nothing" })
}

// spoil flips a byte of each file of partition 0.
func spoil(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, topic.Requests, "partition-0.state*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)-20] ^= 1
		err = os.WriteFile(name, b, 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The topic gets twice its partitions. Half of the keys live in another partition
// from then on, and what is known about them goes with them.
func TestPartitionsAreDoubled(t *testing.T) {
	for name, another := range map[string]bool{"on the same analyzer": false, "on another analyzer": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, s, dir := newRig(t), new(shelf), t.TempDir()
			lanes := topic.Lanes{Count: 16, Seed: 1}
			home := func(subject string, n int) int {
				return topic.Partition(lanes.Of(topic.RequestKey("default", subject, "")), n)
			}
			subjects := []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"}
			a := r.start(dir, r.shelving(s))
			sent, moved := make(map[int]int), 0
			for i, subject := range subjects {
				p := home(subject, partitions)
				r.send(p, request(i, subject, "/"), request(i, subject, "/"))
				sent[p] += 2
				if home(subject, 2*partitions) != p {
					moved++
				}
			}
			if moved == 0 || moved == len(subjects) {
				t.Fatalf("%d of %d subjects move: the test shows nothing", moved, len(subjects))
			}
			for p, n := range sent {
				r.onShelf(s, p, n)
			}
			a.stop()
			r.grow(2 * partitions)
			if another {
				dir = t.TempDir()
			}
			r.start(dir, r.shelving(s))
			for i, subject := range subjects {
				p := home(subject, 2*partitions)
				at := sent[p]
				r.send(p, request(100+i, subject, "/"))
				sent[p]++
				eventually(t, "the assessment", func() bool { return len(r.assessments(p)) == sent[p] })
				if got := r.assessments(p)[int64(at)]; got != 3 {
					t.Errorf("%s, from partition %d to %d: the third event scored %v, want 3", subject, home(subject, partitions), p, got)
				}
			}
		})
	}
}

// grow gives every topic that is divided as the requests are n partitions.
func (r *rig) grow(n int) {
	r.t.Helper()
	var topics []kafka.TopicPartitionsConfig
	for _, name := range []string{topic.Requests, topic.Verdicts, topic.Assessments} {
		topics = append(topics, kafka.TopicPartitionsConfig{Name: name, Count: int32(n)})
	}
	resp, err := r.client.CreatePartitions(r.t.Context(), &kafka.CreatePartitionsRequest{Topics: topics})
	if err != nil {
		r.t.Fatal(err)
	}
	for name, err := range resp.Errors {
		if err != nil {
			r.t.Fatal(name, err)
		}
	}
	tr := new(kafka.Transport) // The old one remembers the old number for a while.
	r.t.Cleanup(tr.CloseIdleConnections)
	r.client = &kafka.Client{Addr: kafka.TCP(r.addr), Transport: tr}
}

// A second member takes half; what the first keeps, it keeps in memory. When the
// second leaves, again only that moves which must.
func TestRebalanceKeepsStateWhereItIs(t *testing.T) {
	r, first, second := newRig(t), newBegun(), newBegun()
	a := r.start(t.TempDir(), first.log)
	for p := range partitions {
		r.send(p, request(p, "alice", "/"))
	}
	eventually(t, "the first owns all", func() bool { return len(a.Status()) == partitions })
	eventually(t, "all is assessed", func() bool {
		n := 0
		for p := range partitions {
			n += len(r.assessments(p))
		}
		return n == partitions
	})
	b := r.start(t.TempDir(), second.log)
	eventually(t, "each owns half", func() bool { return len(a.Status()) == partitions/2 && len(b.Status()) == partitions/2 })
	var kept []string
	for _, s := range a.Status() {
		eventually(t, "a kept partition is begun again", func() bool { return first.times(s.Partition) > 1 })
		kept = append(kept, first.last(s.Partition))
	}
	if diff := cmp.Diff([]string{"memory", "memory"}, kept); diff != "" {
		t.Errorf("the first's own partitions: %s", diff)
	}
	mine := a.Status()
	for i, s := range mine { // A division that knows of nobody's state goes by the members' random names.
		if s.Partition != i {
			t.Errorf("the first keeps partition %d, want its lowest, 0 and 1", s.Partition)
		}
	}
	b.stop()
	eventually(t, "the first owns all again", func() bool { return len(a.Status()) == partitions })
	for _, s := range mine {
		eventually(t, "a kept partition goes on from memory", func() bool { return first.last(s.Partition) == "memory" })
	}
	for p := range partitions {
		r.send(p, request(10+p, "alice", "/"))
		eventually(t, "the second assessment", func() bool { return len(r.assessments(p)) == 2 })
		if got := r.assessments(p)[1]; got != 2 {
			t.Errorf("partition %d: the second event scored %v, want 2", p, got)
		}
	}
}

// A process that is killed says no goodbye. Its next life does so for it, and does
// not wait until the group has missed it.
func TestNextLifeSaysGoodbyeForTheKilledOne(t *testing.T) {
	r, _, cluster := newFaultyCluster(t)
	var killed atomic.Bool
	cluster.ControlKey(int16(kmsg.LeaveGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		return nil, errors.New("lost on purpose"), killed.Load()
	})
	patient := func(o *ingest.Options) { o.Config.SessionTimeout = 5 * time.Minute }
	dir := t.TempDir()
	a := r.start(dir, patient)
	eventually(t, "it owns all", func() bool { return len(a.Status()) == partitions })
	killed.Store(true)
	a.stop()
	killed.Store(false)
	b := r.start(dir, patient)
	eventually(t, "the next life owns all", func() bool { return len(b.Status()) == partitions })
}
