package seal

import (
	"crypto/ed25519"
	"fmt"
	"testing"
	"time"
)

func TestRoundIsVerifiedOnce(t *testing.T) {
	key, other := ed25519.NewKeyFromSeed(make([]byte, 32)), ed25519.NewKeyFromSeed([]byte("another key, of 32 bytes as well"))
	s, err := NewSigner("gw-1", "k", key)
	if err != nil {
		t.Fatal(err)
	}
	public := key.Public().(ed25519.PublicKey)
	batch := func(partition int) *Batch {
		return s.Draft(&Chain{Epoch: 7, Partition: int32(partition)}, time.Unix(0, 1), nil)
	}
	checks := 0
	r := NewRoots()
	r.check = func(public ed25519.PublicKey, message, signature []byte) bool {
		checks++
		return ed25519.Verify(public, message, signature)
	}
	good := func(b *Batch) bool { return r.verify(public, &b.head, b.hash) }

	var round []*Batch
	for n := range 16 {
		round = append(round, batch(n))
	}
	s.Sign(round)
	for _, b := range round {
		if !good(b) {
			t.Fatal("a batch of the round is not believed")
		}
	}
	if checks != 1 {
		t.Errorf("%d verifications for a round of 16 batches, want 1", checks)
	}
	for name, hostile := range map[string]func() bool{
		"another signature of a known root": func() bool {
			b := *round[3]
			b.head.signature[0]++
			return good(&b)
		},
		"another key of a known root": func() bool {
			return r.verify(other.Public().(ed25519.PublicKey), &round[3].head, round[3].hash)
		},
		"a batch that is not in it": func() bool { return r.verify(public, &round[3].head, batch(99).hash) },
	} {
		for range 2 { // What is refused is not remembered.
			before := checks
			if hostile() || checks != before+1 {
				t.Errorf("%s: believed, or not verified", name)
			}
		}
	}

	alone := batch(0)
	s.Sign([]*Batch{alone})
	before := checks
	for range 2 {
		if !good(alone) {
			t.Error("a batch alone is not believed")
		}
	}
	if checks != before+2 {
		t.Errorf("%d verifications of a batch alone that comes twice, want 2: it is no round", checks-before)
	}
}

// What is remembered is bounded, and what is forgotten is verified again.
func TestRootsAreForgotten(t *testing.T) {
	var shard rootsShard
	name := func(n int) (p proven) {
		copy(p.hash[:], fmt.Sprint(n))
		return p
	}
	const all = 5 * rootsShardMax
	for n := range all {
		shard.add(name(n))
		if held := len(shard.recent) + len(shard.older); held > 2*rootsShardMax {
			t.Fatalf("%d roots are remembered, want at most %d", held, 2*rootsShardMax)
		}
	}
	if !shard.knows(name(all-1)) || !shard.knows(name(all-rootsShardMax)) || shard.knows(name(0)) {
		t.Error("not the newest roots are remembered")
	}
}
