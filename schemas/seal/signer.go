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

// Batch is a sealed batch that is not part of its chain yet.
type Batch struct {
	// Header is the value of the first record's header [Header].
	Header []byte

	number uint64
	hash   Hash
}

// Seal makes the seal of the next batch of a chain. The same batch may be sent as
// often as need be. Once it is stored, or may be, [Chain.Advance] is called before
// the next Seal.
func (s *Signer) Seal(c *Chain, at time.Time, records []Record) Batch {
	head := Seal{Count: len(records), Epoch: c.Epoch, Number: c.number + 1, Time: at, Previous: c.hash, Kid: s.kid}
	c.hasher.begin(&head, s.gateway, c.Partition)
	for _, r := range records {
		c.hasher.add(r)
	}
	b := Batch{number: head.Number, hash: c.hasher.end()}
	copy(head.signature[:], ed25519.Sign(s.key, signed(b.hash)))
	b.Header = head.append(make([]byte, 0, fixedBytes+len(s.kid)))
	return b
}

// Advance makes b part of the chain.
func (c *Chain) Advance(b Batch) { c.number, c.hash = b.number, b.hash }
