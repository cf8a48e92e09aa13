package ingest_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// standbyFor makes a standby that works while fewer than n others do.
func standbyFor(n int) tweak { return func(o *ingest.Options) { o.Standby = n } }

// busy is how many partitions have records in these tests: of the last one there is
// nothing anywhere.
const busy = partitions - 1

// copied waits until a standby has what its archive has of each busy partition up to
// next.
func (a *running) copied(t *testing.T, next int64) {
	t.Helper()
	eventually(t, "copies of all that is archived", func() bool {
		n := 0
		for _, c := range a.copies.Copies() {
			if c.Current && c.Next == next {
				n++
			}
		}
		return n == busy && a.copies.Current(topic.Requests, partitions-1)
	})
}

// steal is a request whose session is to be ended, of which there is no other.
func steal(n, partition int) *event.RequestEvent {
	ev := request(n, "alice", "/steal")
	ev.Session = fmt.Sprint("session-", n, "-", partition)
	return ev
}

// provisional ends the id of what stands in the place of a verdict that waits.
const provisional = ".provisional"

// wantTally looks whether each busy partition has n assessments of which each has seen
// exactly what was before it, and one verdict for each of steals.
func wantTally(t *testing.T, r *rig, n, steals int) {
	t.Helper()
	for p := range busy {
		eventually(t, "every event is assessed", func() bool { return len(r.assessments(p)) == n })
		for offset, score := range r.assessments(p) {
			if score != float64(offset+1) {
				t.Errorf("partition %d offset %d scored %v, want %d", p, offset, score, offset+1)
			}
		}
		ids := make(map[string]bool)
		count := func() int {
			n := 0
			for _, v := range r.verdicts(p) {
				if !strings.HasSuffix(v.Id, provisional) {
					n++
				}
			}
			return n
		}
		eventually(t, "every theft is judged", func() bool { return count() >= steals })
		for _, v := range r.verdicts(p) {
			if strings.HasSuffix(v.Id, provisional) {
				continue // While vigil.control could not be read within the little time that these have.
			}
			if ids[v.Id] {
				t.Errorf("partition %d: verdict %s is there twice", p, v.Id)
			}
			ids[v.Id] = true
		}
		if len(ids) != steals {
			t.Errorf("partition %d: %d verdicts, want %d", p, len(ids), steals)
		}
	}
}

// An analyzer goes, and its standby goes on: from its own disk, without a question to
// the archive, which is down, and with what was not archived from the topic. Nothing
// is lost, scored from a wrong state or announced twice. When the analyzer comes back
// it gets its partitions back, with what has come meanwhile.
func TestAStandbyGoesOn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		killed bool
	}{{"when the analyzer is stopped", false}, {"when the analyzer is killed", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, lose, cluster := newFaultyCluster(t)
			var dead atomic.Bool
			cluster.ControlKey(int16(kmsg.LeaveGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				return nil, errors.New("lost on purpose"), dead.Load()
			})
			s, log, dir := new(shelf), newBegun(), t.TempDir()
			// Whoever is stopped says goodbye: nobody waits until the group has missed him.
			session := func(o *ingest.Options) {
				o.Config.SessionTimeout = 5 * time.Minute
				if tt.killed {
					o.Config.SessionTimeout = time.Second
				}
			}
			a := r.start(dir, r.shelving(s), session, impatient)
			eventually(t, "the analyzer works", func() bool { return len(a.Status()) == partitions }) // Else the standby works first, and has a state of its own.
			b := r.start(t.TempDir(), r.shelving(s), session, standbyFor(1), log.log)
			for p := range busy {
				r.send(p, steal(0, p), request(1, "alice", "/"))
			}
			for p := range busy {
				r.onShelf(s, p, 2)
			}
			b.copied(t, 2)
			s.fails.Store(true) // What follows is nowhere but in the topic.
			for p := range busy {
				r.send(p, steal(2, p), request(3, "alice", "/"))
			}
			wantTally(t, r, 4, 2)
			if got := b.Status(); len(got) != 0 {
				t.Errorf("beside another the standby works on %v", got)
			}

			b.rest() // It looks at the archive; who takes over must not.
			s.hangs.Store(true)
			s.forget()
			if tt.killed {
				lose.Store(everything)
				dead.Store(true)
			}
			a.stop()
			dead.Store(false)
			lose.Store(nothing)
			for p := range busy {
				r.send(p, request(4, "alice", "/"))
			}
			wantTally(t, r, 5, 2)
			if got := b.Status(); len(got) != partitions {
				t.Errorf("alone the standby works on %v", got)
			}
			for p := range partitions {
				want := "disk"
				if p >= busy {
					want = "nothing"
				}
				eventually(t, "the partition is begun", func() bool { return log.last(p) != "" })
				if got := log.last(p); got != want {
					t.Errorf("partition %d is begun from %s, want %s", p, got, want)
				}
			}
			if asked := s.questions(); len(asked) > 0 {
				t.Errorf("whoever took over asked the archive for partitions %v", asked)
			}

			s.hangs.Store(false)
			s.fails.Store(false)
			c := r.start(dir, r.shelving(s), session)
			eventually(t, "the analyzer has its partitions back", func() bool { return len(c.Status()) == partitions && len(b.Status()) == 0 })
			for p := range busy {
				r.send(p, steal(5, p))
			}
			wantTally(t, r, 6, 3)
		})
	}
}

// Of two analyzers with a standby for two one goes: what the other works on stays in
// its memory, and the standby takes the rest.
func TestAStandbyTakesOnlyWhatLostItsOwner(t *testing.T) {
	t.Parallel()
	r, s := newRig(t), new(shelf)
	left, spare := newBegun(), newBegun()
	a := r.start(t.TempDir(), r.shelving(s))
	b := r.start(t.TempDir(), r.shelving(s), left.log)
	c := r.start(t.TempDir(), r.shelving(s), standbyFor(2), spare.log)
	eventually(t, "two work", func() bool { return len(a.Status()) == 2 && len(b.Status()) == 2 })
	for p := range busy {
		r.send(p, request(0, "alice", "/"), request(1, "alice", "/"))
	}
	for p := range busy {
		r.onShelf(s, p, 2)
	}
	c.copied(t, 2)
	if got := c.Status(); len(got) != 0 {
		t.Errorf("beside two the standby works on %v", got)
	}
	gone, kept := a.Status(), b.Status()
	a.stop()
	eventually(t, "the standby works beside the one that is left", func() bool { return len(b.Status()) == 2 && len(c.Status()) == 2 })
	for p := range busy {
		r.send(p, request(2, "alice", "/"))
	}
	wantTally(t, r, 3, 0)
	for _, st := range gone {
		if got := spare.last(st.Partition); got != "disk" && st.Partition < busy {
			t.Errorf("the standby begins partition %d from %q, want its disk", st.Partition, got)
		}
	}
	for _, st := range kept {
		eventually(t, "who is left goes on from its memory", func() bool { return left.last(st.Partition) == "memory" })
	}
}

// Where all are standbys for one, whoever comes back waits: roles move only when
// somebody leaves.
func TestEqualStandbysSwapOnlyWhenOneLeaves(t *testing.T) {
	t.Parallel()
	r, s := newRig(t), new(shelf)
	dir := t.TempDir()
	a := r.start(dir, r.shelving(s), standbyFor(1))
	eventually(t, "the first works", func() bool { return len(a.Status()) == partitions })
	b := r.start(t.TempDir(), r.shelving(s), standbyFor(1))
	eventually(t, "the second waits in the group", b.Joined)
	for p := range busy {
		r.send(p, request(0, "alice", "/"), request(1, "alice", "/"))
	}
	for p := range busy {
		r.onShelf(s, p, 2)
	}
	b.copied(t, 2)
	a.stop()
	eventually(t, "the second works", func() bool { return len(b.Status()) == partitions })
	eventually(t, "what it works on is its own", func() bool { return len(b.copies.Copies()) == 0 })
	c := r.start(dir, r.shelving(s), standbyFor(1))
	eventually(t, "the first is back in the group", c.Joined)
	for p := range busy {
		r.send(p, request(2, "alice", "/"))
	}
	wantTally(t, r, 3, 0)
	for p := range busy {
		r.onShelf(s, p, 3)
	}
	c.copied(t, 3)
	if own, other := b.Status(), c.Status(); len(own) != partitions || len(other) != 0 {
		t.Errorf("the second works on %d partitions and the first, which is back, on %d", len(own), len(other))
	}
}
