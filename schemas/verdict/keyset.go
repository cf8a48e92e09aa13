package verdict

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Class says for which authorities a key may sign.
type Class string

// Classes of key.
const (
	ClassAnalyzer Class = "analyzer"
	ClassOperator Class = "operator"
	ClassFeed     Class = "feed"
)

func (c Class) signs(authority string) bool {
	switch c {
	case ClassAnalyzer:
		return authority == AuthoritySubject || authority == AuthorityFacet
	case ClassOperator:
		return authority == AuthorityOperator
	case ClassFeed:
		return authority == AuthorityFeed
	case ClassGateway: // See package seal.
	}
	return false
}

// Key is one public key of a key set.
type Key struct {
	ID     string            `json:"kid"`
	Class  Class             `json:"class"`
	Public ed25519.PublicKey `json:"public"`
	// From is when its holder begins to sign with it; zero has always.
	From time.Time `json:"from,omitzero"`
	// Until is when nobody believes it any more; zero is never.
	Until time.Time `json:"until,omitzero"`
	// Gateway is the id of the gateway that a key of class gateway speaks for.
	Gateway string `json:"gateway,omitempty"`
}

// KeysMax bounds a key set: two analyzers' keys per rotation and a key per operator.
const KeysMax = 256

const (
	typKeySet = "vigil-keys+json"
	kidRoot   = "root"
)

// ErrKeySet means that a key set file is not one signed by the root.
var ErrKeySet = errors.New("key set is not signed by the root key")

// KeySet holds the public keys that may sign verdicts. Immutable, safe for
// concurrent use.
type KeySet struct{ keys map[string]Key }

// SignKeySet returns the key set file: JSON of keys in a JWS by the offline root.
func SignKeySet(root ed25519.PrivateKey, keys []Key) ([]byte, error) {
	payload, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("encode key set: %w", err)
	}
	return sign(typKeySet, kidRoot, root, payload)
}

// OpenKeySet verifies a key set file against the root's public key. The error
// wraps [ErrKeySet], or names the key that is at fault.
func OpenKeySet(root ed25519.PublicKey, file []byte) (*KeySet, error) {
	if len(root) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("root key of %d B: %w", len(root), ErrKeySet)
	}
	typ, _, payload, err := open(file, func(kid string) (Key, bool) {
		return Key{ID: kidRoot, Public: root}, kid == kidRoot
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeySet, err)
	}
	if typ != typKeySet {
		return nil, fmt.Errorf("typ %q: %w", typ, ErrKeySet)
	}
	var keys []Key
	err = json.Unmarshal(payload, &keys)
	if err != nil {
		return nil, fmt.Errorf("decode key set: %w", err)
	}
	if len(keys) > KeysMax {
		return nil, fmt.Errorf("key set has %d keys, at most %d are allowed", len(keys), KeysMax)
	}
	set := &KeySet{keys: make(map[string]Key, len(keys))}
	for _, k := range keys {
		if k.ID == "" || len(k.Public) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("key set: key %q is not an Ed25519 public key", k.ID)
		}
		if _, twice := set.keys[k.ID]; twice {
			return nil, fmt.Errorf("key set: key %q is listed twice", k.ID)
		}
		set.keys[k.ID] = k
	}
	return set, nil
}
