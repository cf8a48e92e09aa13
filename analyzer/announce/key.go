package announce

import (
	"crypto/ed25519"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// signer signs in the analyzer's name. [Signing] is one, and so is a [verdict.Signer]
// of one key.
type signer interface {
	Kid() string
	Verdict(v *verdict.Verdict) ([]byte, error)
	Heartbeat(h *verdict.Heartbeat) ([]byte, error)
	Control(payload []byte) ([]byte, error)
}

// keyring verifies what an operator sends and what stands in topics. A [verdict.Ring]
// is one, and so is a [verdict.KeySet], by which no key ever ends.
type keyring interface {
	Open(record []byte) (verdict.Message, error)
	OpenControl(record []byte) ([]byte, error)
	// Listed believes keys that have ended, too: for what stands in topics.
	Listed() *verdict.KeySet
}

// Signing signs with the analyzer's private key that is in force, by the key set and
// the clock: the next one takes over when its time comes. Safe for concurrent use.
type Signing struct {
	ring *verdict.Ring
	now  func() time.Time

	private atomic.Pointer[[]ed25519.PrivateKey]
	last    atomic.Pointer[verdict.Signer]
}

// OpenSigning reads the analyzer's private keys. One of them must be in force.
func OpenSigning(c Config, ring *verdict.Ring, now func() time.Time) (*Signing, error) {
	s := &Signing{ring: ring, now: now}
	err := s.Reload(c, ring.Listed())
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Reload reads the private keys again, for a key set that is about to be in force. On
// an error those that were there stay.
func (s *Signing) Reload(c Config, set *verdict.KeySet) error {
	private, err := LoadKeys(c)
	if err != nil {
		return err
	}
	picked, err := set.Signer(verdict.ClassAnalyzer, private, s.now())
	if err != nil {
		return fmt.Errorf("announce.key_file: %s: %w; see \"vigil keys show\"", c.KeyFile, err)
	}
	s.private.Store(&private)
	s.last.Store(&picked)
	return nil
}

// current is the signer in force. Where none is any more it is the last one that
// was: what it signs is refused and counted by those who read it, which says more
// than silence.
func (s *Signing) current() verdict.Signer {
	picked, err := s.ring.Listed().Signer(verdict.ClassAnalyzer, *s.private.Load(), s.now())
	if err != nil {
		return *s.last.Load()
	}
	s.last.Store(&picked)
	return picked
}

// Kid is the id of the key in force.
func (s *Signing) Kid() string { return s.current().Kid() }

// Verdict is [verdict.Signer.Verdict] by the key in force.
func (s *Signing) Verdict(v *verdict.Verdict) ([]byte, error) { return s.current().Verdict(v) }

// Heartbeat is [verdict.Signer.Heartbeat] by the key in force.
func (s *Signing) Heartbeat(h *verdict.Heartbeat) ([]byte, error) { return s.current().Heartbeat(h) }

// Control is [verdict.Signer.Control] by the key in force.
func (s *Signing) Control(payload []byte) ([]byte, error) { return s.current().Control(payload) }

// LoadKeys reads the analyzer's private keys (PKCS#8 in PEM, Ed25519, one or more).
func LoadKeys(c Config) ([]ed25519.PrivateKey, error) {
	b, err := keyfile.Secret(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("announce.key_file: %w", err)
	}
	private, err := verdict.ParsePrivateKeys(b)
	if err != nil {
		return nil, fmt.Errorf("announce.key_file: %w", err)
	}
	return private, nil
}
