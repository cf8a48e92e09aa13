package identity

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// errProofsFull means that more proofs are in their window than are remembered, or more
// of one key than its share. The gateway fails closed: a proof that is forgotten could be
// used again.
var errProofsFull = errors.New("too many DPoP proofs at once")

// sighting says whether a proof was seen before.
type sighting uint8

const (
	seenNever     sighting = iota
	seenHere               // From the same address: a client, or its library, has sent a request twice.
	seenElsewhere          // From another address.
)

// replays remembers the proofs that were used, by a keyed hash of key and jti,
// in two generations per shard. A generation lasts two windows, so that each
// proof is remembered until it is too old to be accepted. A false match of two
// hashes refuses a good proof once in 2^64; a replay always matches.
//
// A key may hold as many as there is room left: one that sends proofs without end is
// refused at half of the room, n such keys at n/(n+1) together, and every other key goes
// on (dynamic thresholds: Choudhury and Hahne, "Dynamic Queue Length Thresholds for
// Shared-Memory Packet Switches", 1998). Keys are those of tokens: nobody has many.
type replays struct {
	seed   maphash.Seed
	span   atomic.Int64 // Of a generation, nanoseconds.
	max    int          // Proofs of one generation of one shard.
	shards [shards]proofShard
}

type proofShard struct {
	mu         sync.Mutex
	began      time.Time         // Of young.
	young, old map[uint64]uint64 // Hash of the proof to hash of the address.
	of         map[uint64]int    // Proofs in young, by hash of their key.
}

func newReplays(window time.Duration, proofsMax int) *replays {
	p := &replays{seed: maphash.MakeSeed(), max: max(proofsMax/shards/2, 1)}
	p.widen(window)
	return p
}

// widen makes the generations long enough for a window. They never shrink: what
// was accepted under the longer one may still be in it.
func (p *replays) widen(window time.Duration) {
	p.span.Store(max(p.span.Load(), int64(2*window)))
}

// seen remembers a proof and reports whether it was seen before.
func (p *replays) seen(thumbprint, id string, from netip.Addr, now time.Time) (sighting, error) {
	key, proof, address := maphash.String(p.seed, thumbprint), p.hash(thumbprint, id), maphash.Comparable(p.seed, from)
	s := &p.shards[proof%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	span := time.Duration(p.span.Load())
	if now.Sub(s.began) >= span {
		s.old, s.young, s.of = s.young, make(map[uint64]uint64), make(map[uint64]int)
		if now.Sub(s.began) >= 2*span {
			s.old = nil
		}
		s.began = now
	}
	first, known := s.young[proof]
	if !known {
		first, known = s.old[proof]
	}
	switch {
	case known && first == address:
		return seenHere, nil
	case known:
		return seenElsewhere, nil
	case s.of[key] >= p.max-len(s.young):
		return seenNever, errProofsFull
	}
	s.young[proof] = address
	s.of[key]++
	return seenNever, nil
}

func (p *replays) hash(thumbprint, id string) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	// The length keeps "a","bc" apart from "ab","c".
	_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(thumbprint)))) // Never fails.
	_, _ = h.WriteString(thumbprint)
	_, _ = h.WriteString(id)
	return h.Sum64()
}
