package verdict

import "fmt"

const (
	// typControl is the type of an envelope around what an analyzer says to the
	// analyzers of other partitions.
	typControl = "vigil-control"
	// typOrder is that of one around what an operator orders an analyzer to do.
	typOrder = "vigil-order"
)

// Control returns the envelope of what an analyzer says to the others.
func (s Signer) Control(payload []byte) ([]byte, error) {
	return sign(typControl, s.kid, s.key, payload)
}

// Order returns the envelope of what an operator orders an analyzer to do.
func (s Signer) Order(payload []byte) ([]byte, error) {
	return sign(typOrder, s.kid, s.key, payload)
}

// OpenControl verifies an envelope of [Signer.Control] by a listed analyzer's key and
// returns what it held. The error wraps one of those of [KeySet.Open].
func (k *KeySet) OpenControl(record []byte) ([]byte, error) {
	payload, _, err := openAs(record, typControl, ClassAnalyzer, k.listed)
	return payload, err
}

// OpenOrder verifies an envelope of [Signer.Order] by a listed operator's key and
// returns what it held and the key's id. The error wraps one of those of [KeySet.Open].
func (k *KeySet) OpenOrder(record []byte) (payload []byte, kid string, err error) {
	return openAs(record, typOrder, ClassOperator, k.listed)
}

func openAs(record []byte, want string, class Class, find func(kid string) (Key, error)) (payload []byte, kid string, err error) {
	if len(record) > EnvelopeBytesMax {
		return nil, "", fmt.Errorf("open envelope of %d B: %w", len(record), ErrUnsigned)
	}
	typ, key, payload, err := open(record, find)
	switch {
	case err != nil:
		return nil, "", err
	case typ != want:
		return nil, "", fmt.Errorf("typ %q: %w", typ, ErrUnsigned)
	case key.Class != class:
		return nil, "", fmt.Errorf("key %q of class %s: %w", key.ID, key.Class, ErrAuthority)
	}
	return payload, key.ID, nil
}
