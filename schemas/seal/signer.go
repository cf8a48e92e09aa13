package seal

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"
)

// Signer seals the batches of one gateway. Immutable, safe for concurrent use.
type Signer struct {
	gateway, kid string
	key          ed25519.PrivateKey
}

// NewSigner returns a signer for the key that the key set lists as kid, for gateway.
func NewSigner(gateway, kid string, key ed25519.PrivateKey) (*Signer, error) {
	if kid == "" || len(kid) > KidBytesMax {
		return nil, fmt.Errorf("kid %q: must have 1 to %d bytes", kid, KidBytesMax)
	}
	if gateway == "" || len(key) != ed25519.PrivateKeySize {
		return nil, errors.New("gateway and key: must be set")
	}
	return &Signer{gateway: gateway, kid: kid, key: key}, nil
}

// Chain is where the chain of one life in one partition stands. The zero value of
// all but Epoch and Partition is its beginning.
type Chain struct {
	// Epoch is that of the life that sends.
	Epoch     uint64
	Partition int32

	number uint64
	hash   Hash
	hasher hasher
}

// Batch is the next batch of a chain, which is not part of it yet.
type Batch struct {
	// Header is the value of the first record's header [Header], nil until the batch is
	// signed.
	Header []byte

	head Seal
	hash Hash
}

// Draft makes the next batch of a chain, for [Signer.Sign]. The same batch may be sent
// as often as need be. Once it is stored, or may be, [Chain.Advance] is called before
// the next Draft.
func (s *Signer) Draft(c *Chain, at time.Time, records []Record) *Batch {
	b := &Batch{head: Seal{Count: len(records), Epoch: c.Epoch, Number: c.number + 1, Time: at, Previous: c.hash, Kid: s.kid}}
	c.hasher.begin(&b.head, s.gateway, c.Partition)
	for _, r := range records {
		c.hasher.add(r)
	}
	b.hash = c.hasher.end()
	return b
}

// Sign signs the batches of a round, 1 to [RoundMax] of as many chains, with one
// signature.
func (s *Signer) Sign(round []*Batch) {
	leaves := make([]Hash, len(round))
	for i, b := range round {
		leaves[i] = b.hash
	}
	root, paths := tree(leaves)
	signature := ed25519.Sign(s.key, signed(root, len(round) > 1))
	for i, b := range round {
		b.head.path = paths[i]
		copy(b.head.signature[:], signature)
		b.Header = b.head.header()
	}
}

// Seal makes the next batch of a chain and signs it alone.
func (s *Signer) Seal(c *Chain, at time.Time, records []Record) *Batch {
	b := s.Draft(c, at, records)
	s.Sign([]*Batch{b})
	return b
}

// Advance makes b part of the chain.
func (c *Chain) Advance(b *Batch) { c.number, c.hash = b.head.Number, b.hash }
