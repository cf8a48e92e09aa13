package seal

import (
	"crypto/ed25519"
	"sync"
)

// Roots remember which signatures of rounds are good, so that the batches of a round
// cost one verification and not one each. The collectors of a process share them. Safe
// for concurrent use.
type Roots struct {
	check  func(public ed25519.PublicKey, message, signature []byte) bool
	shards [rootsShards]rootsShard
}

// rootsShard is a part of them, with a lock of its own that is held while a signature is
// verified: who comes with another batch of the same round waits for that.
type rootsShard struct {
	mu            sync.Mutex
	recent, older map[proven]struct{} // Guarded by mu.
}

// proven is a signature that was found good, with all that it was found good for.
type proven struct {
	public    [ed25519.PublicKeySize]byte
	hash      Hash
	signature [ed25519.SignatureSize]byte
}

// NewRoots returns roots that know nothing.
func NewRoots() *Roots { return &Roots{check: ed25519.Verify} }

// verify reports whether s is the seal of the batch with hash h by the key public.
func (r *Roots) verify(public ed25519.PublicKey, s *Seal, h Hash) bool {
	if len(s.path.beside) == 0 {
		return r.check(public, signed(h, false), s.signature[:])
	}
	is := proven{hash: s.path.root(h), signature: s.signature}
	if copy(is.public[:], public) != len(public) {
		return false
	}
	shard := &r.shards[is.hash[0]%rootsShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.knows(is) {
		return true
	}
	if !r.check(public, signed(is.hash, true), s.signature[:]) {
		return false // Whoever forges does not choose what is remembered.
	}
	shard.add(is)
	return true
}

func (s *rootsShard) knows(is proven) bool {
	_, ok := s.recent[is]
	if !ok {
		_, ok = s.older[is]
	}
	return ok
}

// add forgets the older half once the recent one is full.
func (s *rootsShard) add(is proven) {
	if s.recent == nil || len(s.recent) == rootsShardMax {
		s.recent, s.older = make(map[proven]struct{}), s.recent
	}
	s.recent[is] = struct{}{}
}
