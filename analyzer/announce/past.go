package announce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// past is what the analyzers have said in partitions of vigil.verdicts that the keys of
// others were judged in before the number of partitions was raised. Gateways order what
// is said of a target over all partitions: where it is judged now the epoch must be
// higher, and what was said must be folded on. The topic is read on from where it was
// read to.
type past struct {
	turn   gate // Of who reads.
	next   map[int]int64
	failed map[int]time.Time // When the last try to read a partition failed.
	retry  time.Duration     // Until it is tried again.
	stall  time.Duration     // Within which a record must come.

	mu     sync.Mutex      // Held for as long as a look takes: who judges does not wait for Kafka.
	epochs map[slot]uint64 // The highest of each stage and partition.
	stands map[target]*verdict.Verdict
}

// pastMax bounds the targets that are known of all partitions.
const pastMax = 2 * targetsMax

// errEpoch means that a partition has to be adopted again, in a higher epoch.
var errEpoch = errors.New("the epoch is too low")

// errUnread means that a partition could not be read a moment ago.
var errUnread = errors.New("cannot be read")

// forebears are the partitions, of n, that keys of a partition were in while there were
// fewer, in order: the number of partitions is raised to a multiple, and a key's
// partition is its hash modulo their number.
func forebears(partition, n int) []int {
	var out []int
	for before := 1; before < n; before++ {
		if of := partition % before; n%before == 0 && of != partition && !slices.Contains(out, of) {
			out = append(out, of)
		}
	}
	slices.Sort(out)
	return out
}

func newPast() *past {
	return &past{
		turn: newGate(), next: make(map[int]int64), failed: make(map[int]time.Time), retry: pastRetry, stall: pastStall,
		epochs: make(map[slot]uint64), stands: make(map[target]*verdict.Verdict),
	}
}

// read reads on in partitions, and returns the highest epoch of a stage in them. Those
// that cannot be read are left out, and unread says why.
func (s *past) read(ctx context.Context, a *Announcer, stage Stage, partitions []int) (epoch uint64, unread error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	for _, i := range partitions {
		if a.now().Sub(s.failed[i]) < s.retry {
			unread = errors.Join(unread, fmt.Errorf("partition %d: %w", i, errUnread))
			continue
		}
		err := s.readOn(ctx, a, i)
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		delete(s.failed, i)
		if err != nil {
			s.failed[i] = a.now()
			unread = errors.Join(unread, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range partitions {
		epoch = max(epoch, s.epochs[slot{stage.Authority, i}])
	}
	return epoch, unread
}

// readOn reads one partition on, for as long as records come.
func (s *past) readOn(ctx context.Context, a *Announcer, i int) error {
	some := verdict.Opener[struct{}]{Keys: a.keys.Listed(), Take: func(_ []byte, _ struct{}, m verdict.Message, err error) {
		if err == nil {
			s.take(a, i, m)
		}
	}}
	defer some.Flush() // What was read of it is read.
	next, err := a.writer.read(ctx, s.stall, topic.Verdicts, i, s.next[i], func(m kafka.Message) {
		if len(m.Value) > 0 && !s.stale(m, i) {
			some.Add(m.Value, struct{}{})
		}
		s.next[i] = m.Offset + 1
	})
	if err != nil {
		return fmt.Errorf("read what was said: %w", err)
	}
	s.next[i] = next
	return nil
}

// stale reports whether a record is a heartbeat of no higher epoch than is known of
// its stage: it says nothing, and a day has a million of them.
func (s *past) stale(m kafka.Message, partition int) bool {
	authority := heartbeatOf(m, partition)
	if authority == "" {
		return false
	}
	s.mu.Lock()
	known := s.epochs[slot{authority, partition}]
	s.mu.Unlock()
	return outdated(m.Value, known)
}

// heartbeatOf is the authority of the stage under whose key for heartbeats a record
// stands, "" under any other key.
func heartbeatOf(m kafka.Message, partition int) string {
	for _, authority := range []string{verdict.AuthoritySubject, verdict.AuthorityFacet} {
		if string(m.Key) == string(topic.HeartbeatKey(authority, partition)) {
			return authority
		}
	}
	return ""
}

// outdated reports whether a heartbeat says an epoch that is no higher than a known one.
// Whether it is authentic need not be asked then, which takes the most time by far.
func outdated(heartbeat []byte, known uint64) bool {
	epoch, ok := verdict.ClaimedEpoch(heartbeat)
	return ok && epoch <= known
}

// take notes what stands in a partition where it is an analyzer's.
func (s *past) take(a *Announcer, partition int, msg verdict.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := msg.Heartbeat; h != nil {
		at := slot{h.Authority, partition}
		s.epochs[at] = max(s.epochs[at], h.Epoch)
		return
	}
	v := msg.Verdict
	if v.Authority != verdict.AuthoritySubject && v.Authority != verdict.AuthorityFacet {
		return
	}
	stage := SubjectStage()
	if !stage.Owns(v.Target.GetKind()) {
		stage = FacetStage()
	}
	at := slot{stage.Authority, partition}
	s.epochs[at] = max(s.epochs[at], v.Epoch)
	key := targetOf(v)
	old := s.stands[key]
	if old != nil && verdict.Later(old.Epoch, old.Seq, v.Epoch, v.Seq) {
		return
	}
	if !v.Live(a.now()) {
		delete(s.stands, key) // It has ended.
		return
	}
	if old != nil || len(s.stands) < pastMax {
		s.stands[key] = v
	}
}

// stood is what another partition than this had said last of a target when the topic
// was read, nil for nothing.
func (s *past) stood(of target, partition int) *verdict.Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.stands[of]
	if v.GetCause().GetPartition() == int32(partition) {
		return nil // What is forgotten of one's own is forgotten.
	}
	return v
}

// learn reads what could not be read when the partition was adopted, once it can be.
func (p *Partition) learn(ctx context.Context) error {
	a := p.announcer
	for len(p.unread) > 0 && ctx.Err() == nil {
		pause(ctx, a.past.retry)
		highest, err := a.past.read(ctx, a, p.stage, p.unread)
		switch {
		case err != nil:
			continue
		case highest >= p.epoch:
			return fmt.Errorf("partition %d has epoch %d, %d was reached in %v: %w", p.number, p.epoch, highest, p.unread, errEpoch)
		}
		a.logger.InfoContext(ctx, "what stood before the number of partitions was raised is read", "stage", p.stage.Authority, "partition", p.number)
		p.unread = nil
	}
	return nil
}
