package announce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// ErrOutranked means that an operator or a feed has said something about the target
// that stands against what it says now: later, or stronger and not lifted.
var ErrOutranked = errors.New("another verdict of the same authority stands")

// word is what an operator or a feed has said last about a target.
type word struct {
	epoch, seq uint64
	strength   int
	until      time.Time
	kid        string
}

// words are what operators and feeds have said according to the topic. The stages
// fold what they say before they say it; operators sit at many machines, so it is
// here that a later throttle does not replace a revoke. The topic is read on from
// where it was read to.
type words struct {
	mu   sync.Mutex
	next map[int]int64
	said map[target]word
}

// admits reports why an authentic verdict must not be written, with the lock held, and
// whether it is what was said before, signed anew by another key. A word of observe is a restore, which lifts what
// stands.
func (w *words) admits(ctx context.Context, a *Announcer, partition int, v *verdict.Verdict) (resigned bool, err error) {
	if w.next == nil {
		w.next, w.said = make(map[int]int64), make(map[target]word)
	}
	next, err := a.writer.Read(ctx, topic.Verdicts, partition, w.next[partition], func(m kafka.Message) { w.take(a, m) })
	if err != nil {
		return false, err
	}
	w.next[partition] = next
	old, known := w.said[targetOf(v)]
	strength := verdict.Strength(v.Action)
	switch {
	case !known:
		return false, nil
	case old.epoch == v.Epoch && old.seq == v.Seq:
		return old.kid != v.Kid, nil
	case verdict.Later(old.epoch, old.seq, v.Epoch, v.Seq):
		return false, fmt.Errorf("verdict %s is older than what was said since: %w: %w", v.Id, ErrNotRelayed, ErrOutranked)
	case strength > 0 && strength < old.strength && a.now().Before(old.until):
		return false, fmt.Errorf("verdict %s is weaker than what stands until %s, which \"vigil restore\" lifts: %w: %w",
			v.Id, old.until.UTC().Format(time.RFC3339), ErrNotRelayed, ErrOutranked)
	}
	return false, nil
}

// take notes a record of the topic. Most are an analyzer's, which its key tells.
func (w *words) take(a *Announcer, m kafka.Message) {
	name := m.Key[bytes.LastIndexByte(m.Key, 0)+1:]
	if len(m.Value) == 0 || string(name) != verdict.AuthorityOperator && string(name) != verdict.AuthorityFeed {
		return
	}
	msg, err := a.keys.Listed().Open(m.Value)
	v := msg.Verdict
	if err != nil || v == nil || v.Authority != string(name) || v.Future(a.now()) {
		return // Not believed by gateways either.
	}
	old, known := w.said[targetOf(v)]
	if known && verdict.Later(old.epoch, old.seq, v.Epoch, v.Seq) || !known && len(w.said) >= targetsMax {
		return
	}
	w.said[targetOf(v)] = word{v.Epoch, v.Seq, verdict.Strength(v.Action), v.Until.AsTime(), v.Kid}
}
