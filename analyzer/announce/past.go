package announce

import (
	"context"
	"fmt"
	"sync"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// past is what the analyzers have said in all partitions of vigil.verdicts. Gateways
// order what is said of a target over all of them, and after the number of partitions
// was raised a target is judged in another one than before: there the epoch must be
// higher, and what was said must be folded on. The topic is read on from where it was
// read to.
type past struct {
	turn gate // Of who reads.
	next map[int]int64

	mu     sync.Mutex        // Held for as long as a look takes: who judges does not wait for Kafka.
	epochs map[string]uint64 // The highest of each stage, by authority.
	stands map[target]*verdict.Verdict
}

// pastMax bounds the targets that are known of all partitions.
const pastMax = 2 * targetsMax

func newPast() *past {
	return &past{
		turn: newGate(), next: make(map[int]int64),
		epochs: make(map[string]uint64), stands: make(map[target]*verdict.Verdict),
	}
}

// read reads on, and returns the highest epoch of a stage.
func (s *past) read(ctx context.Context, a *Announcer, stage Stage) (epoch uint64, err error) {
	n, err := a.writer.Partitions(ctx, topic.Verdicts)
	if err != nil {
		return 0, fmt.Errorf("read what was said: %w", err)
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	for i := range n {
		beats := make(map[string][]byte) // Of a day there may be 86,400, and the last one says it all.
		next, err := a.writer.Read(ctx, topic.Verdicts, i, s.next[i], func(m kafka.Message) {
			switch key := string(m.Key); {
			case len(m.Value) == 0:
			case key == string(topic.HeartbeatKey(verdict.AuthoritySubject, i)), key == string(topic.HeartbeatKey(verdict.AuthorityFacet, i)):
				beats[key] = m.Value
			default:
				s.take(a, m.Value)
			}
		})
		if err != nil {
			return 0, fmt.Errorf("read what was said: %w", err)
		}
		for _, record := range beats {
			s.take(a, record)
		}
		s.next[i] = next
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epochs[stage.Authority], nil
}

// take notes a record where it is an analyzer's.
func (s *past) take(a *Announcer, record []byte) {
	msg, err := a.keys.Listed().Open(record)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := msg.Heartbeat; h != nil {
		s.epochs[h.Authority] = max(s.epochs[h.Authority], h.Epoch)
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
	s.epochs[stage.Authority] = max(s.epochs[stage.Authority], v.Epoch)
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
