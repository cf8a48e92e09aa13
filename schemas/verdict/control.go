package verdict

import "fmt"

// typControl is the type of an envelope around what an analyzer says to the
// analyzers of other partitions.
const typControl = "vigil-control"

// Control returns the envelope of what an analyzer says to the others.
func (s Signer) Control(payload []byte) ([]byte, error) {
	return sign(typControl, s.kid, s.key, payload)
}

// OpenControl verifies an envelope of [Signer.Control] by an analyzer's key and
// returns what it held. The error wraps one of those of [KeySet.Open].
func (k *KeySet) OpenControl(record []byte) ([]byte, error) {
	if len(record) > EnvelopeBytesMax {
		return nil, fmt.Errorf("open envelope of %d B: %w", len(record), ErrUnsigned)
	}
	typ, key, payload, err := open(record, func(kid string) (Key, bool) {
		key, ok := k.keys[kid]
		return key, ok
	})
	switch {
	case err != nil:
		return nil, err
	case typ != typControl:
		return nil, fmt.Errorf("typ %q: %w", typ, ErrUnsigned)
	case key.Class != ClassAnalyzer:
		return nil, fmt.Errorf("key %q of class %s: %w", key.ID, key.Class, ErrAuthority)
	}
	return payload, nil
}
