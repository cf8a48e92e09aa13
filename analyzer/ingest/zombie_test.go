package ingest_test

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// pausing is an engine that stands still at an event of path "/pause", as a process
// does that is stopped or swapped out, until it is let go.
type pausing struct {
	*tally

	reached, resume chan struct{}
	once            *sync.Once
}

func (p *pausing) Assess(r scorer.Record) scorer.Result {
	if r.Event.GetPath() == "/pause" {
		p.once.Do(func() { close(p.reached) })
		<-p.resume
	}
	return p.tally.Assess(r)
}

// paused is an analyzer whose engines pause; its heartbeats stop meanwhile.
type paused struct {
	reached, resume chan struct{}
}

func newPaused() *paused {
	return &paused{reached: make(chan struct{}), resume: make(chan struct{})}
}

// use makes an analyzer pause. What it holds when it wakes it still tries to write.
func (p *paused) use(o *ingest.Options) {
	once := new(sync.Once)
	o.NewEngine = func(m *model.Model) (ingest.Engine, error) {
		return &pausing{&tally{Count: make(map[string]int), model: m}, p.reached, p.resume, once}, nil
	}
	o.Config.Drain, o.Config.RebalanceTimeout = 50*time.Second, time.Minute
}

// silencer is a broker that loses the heartbeats of one member.
type silencer struct {
	last   atomic.Pointer[string] // The member that was heard of last.
	silent atomic.Pointer[string]
}

func (s *silencer) control(c *kfake.Cluster) {
	c.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		h, ok := req.(*kmsg.HeartbeatRequest)
		if !ok {
			return nil, nil, false
		}
		silent := s.silent.Load()
		if silent != nil && *silent == h.MemberID {
			return nil, errors.New("lost on purpose"), true
		}
		s.last.Store(&h.MemberID)
		return nil, nil, false
	})
}

// zombie makes an analyzer that owns every partition stand still in partition 0 at
// the second of four records, the third of which is a theft, and lets the broker
// forget it.
func zombie(t *testing.T, dir string, s *shelf, tweaks ...tweak) (r *rig, lose *atomic.Int32, a *running, p *paused) {
	t.Helper()
	r, lose, cluster := newFaultyCluster(t)
	heard := new(silencer)
	heard.control(cluster)
	p = newPaused()
	a = r.start(dir, append(tweaks, p.use, r.shelving(s))...)
	eventually(t, "the broker knows it", func() bool { return heard.last.Load() != nil && len(a.Status()) == partitions })
	r.send(0, request(0, "alice", "/"), request(1, "alice", "/pause"), request(2, "alice", "/steal"), request(3, "alice", "/"))
	<-p.reached
	heard.silent.Store(heard.last.Load())
	return r, lose, a, p
}

// onDisk is the state of partition 0 in a folder.
func (r *rig) onDisk(dir string) []state.Found {
	r.t.Helper()
	c := state.DefaultConfig()
	c.Dir = dir
	s, err := state.New(state.Options{Config: c, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Find(r.t.Context(), topic.Requests, 0)
}

// An analyzer is paused past its session's timeout; another one takes its partitions
// and goes on. When it wakes it still writes what it holds. None of that counts: not
// its verdict, not its assessments, not its state.
func TestZombieAnalyzerLoses(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), new(shelf)
	r, _, a, p := zombie(t, dir, s)
	b := r.start(t.TempDir(), r.shelving(s))
	eventually(t, "the other one has taken over", func() bool { return len(b.Status()) == partitions })
	eventually(t, "all is assessed", func() bool { return len(r.assessments(0)) == 4 })
	r.send(0, request(4, "alice", "/"))
	eventually(t, "the other one goes on", func() bool { return len(r.verdicts(0)) == 1 && len(r.assessments(0)) == 5 })
	r.onShelf(s, 0, 5)
	close(p.resume)
	eventually(t, "the zombie has written its verdict", func() bool { return len(r.verdicts(0)) == 2 })
	standing, late := r.verdicts(0)[0], r.verdicts(0)[1]
	if !verdict.Later(standing.Epoch, standing.Seq, late.Epoch, late.Seq) {
		t.Errorf("the zombie's verdict has (%d, %d), the owner's (%d, %d): it must be the earlier", late.Epoch, late.Seq, standing.Epoch, standing.Seq)
	}
	eventually(t, "both work", func() bool { return len(a.Status()) == partitions/2 && len(b.Status()) == partitions/2 })
	for _, x := range s.of(topic.Requests, 0) {
		if x.Epoch == late.Epoch && x.Next > 0 {
			t.Errorf("the zombie's state up to %d is in the archive", x.Next)
		}
	}
	for _, f := range r.onDisk(dir) {
		if f.Epoch == late.Epoch && f.Next > 0 {
			t.Errorf("the zombie's state up to %d is on its disk", f.Next)
		}
	}
	r.send(0, request(5, "alice", "/"))
	eventually(t, "the next is assessed", func() bool { return len(r.assessments(0)) == 6 })
	for offset, score := range r.assessments(0) { // A repeated one repeats its score, or assessments says so.
		if score != float64(offset+1) {
			t.Errorf("offset %d scored %v, want %d", offset, score, offset+1)
		}
	}
}

// The worse case: whoever took over died before it had scored anything, and the
// zombie gets the partition back. Its engine has seen the records, but under an epoch
// that was over, and nobody knows which of their effects counted: they are scored
// again.
func TestZombiesStateDoesNotStandInForItsEffects(t *testing.T) {
	t.Parallel()
	log := newBegun()
	r, lose, _, p := zombie(t, t.TempDir(), new(shelf), log.log)
	second := newPaused()
	b := r.start(t.TempDir(), second.use, impatient)
	<-second.reached
	close(p.resume)
	eventually(t, "the zombie has written its verdict", func() bool { return len(r.verdicts(0)) == 1 })
	lose.Store(everything)
	close(second.resume)
	b.stop()
	lose.Store(nothing)
	eventually(t, "the zombie has the partition again", func() bool { return log.times(0) == 2 })
	if got := log.last(0); got != "nothing" {
		t.Errorf("it goes on from %s, want nothing: the engine in its memory is not to be believed", got)
	}
	eventually(t, "all is assessed", func() bool { return len(r.assessments(0)) == 4 })
}
