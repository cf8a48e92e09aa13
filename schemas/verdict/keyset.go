package verdict

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// InForce reports whether what the key signs is believed at now. A verifier whose
// clock is up to [ClockSkew] behind the signer's believes it, too.
func (k Key) InForce(now time.Time) bool {
	return (k.From.IsZero() || !now.Before(k.From.Add(-ClockSkew))) && (k.Until.IsZero() || now.Before(k.Until))
}

// Limits of a key set.
const (
	// KeysMax bounds a key set: two analyzers' keys per rotation, a key per operator and two per gateway.
	KeysMax = 4096
	// KeySetLinesMax bounds a key set file: the set in force, and two lines for
	// each of the last roots that led to its root.
	KeySetLinesMax = 9
	// ClockSkew is how much earlier than its From a key is believed.
	ClockSkew = time.Minute
)

const (
	typKeySet = "vigil-keys+json"
	kidRoot   = "root"
)

// Errors of key sets.
var (
	// ErrKeySet means that a key set file is not one signed by the root.
	ErrKeySet = errors.New("key set is not signed by the root key")
	// ErrNotInForce means that the key that signed is listed, but not yet or no
	// longer believed.
	ErrNotInForce = errors.New("signed by a key that is not in force")
	// ErrRollback means that a key set is older than the one that is in force.
	ErrRollback = errors.New("key set is older than the one in force")
)

// KeyList is what the root signs: which keys may sign verdicts, and until when.
type KeyList struct {
	// Version grows with each list; a list without one is the oldest there is.
	Version uint64 `json:"version"`
	// Made is when it was made.
	Made time.Time `json:"made,omitzero"`
	// NextRoot is the public key that signs the lists after this one; nil where the
	// root stays. Such a list is signed by both roots.
	NextRoot ed25519.PublicKey `json:"next_root,omitempty"`
	Keys     []Key             `json:"keys"`
}

// Sign returns the lines of a key set file that say the list: one by the root, and
// one by next where the list names a next root, nil where it does not.
func (l KeyList) Sign(root, next ed25519.PrivateKey) ([]byte, error) {
	payload, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("encode key set: %w", err)
	}
	var file []byte
	for _, by := range []ed25519.PrivateKey{root, next} {
		if by == nil {
			continue
		}
		line, err := sign(typKeySet, kidRoot, by, payload)
		if err != nil {
			return nil, err
		}
		file = append(append(file, line...), '\n')
	}
	return file, nil
}

// SignKeySet returns the first key set file of an installation.
func SignKeySet(root ed25519.PrivateKey, keys []Key) ([]byte, error) {
	return KeyList{Version: 1, Keys: keys}.Sign(root, nil)
}

// KeySet holds the public keys that may sign verdicts. Immutable, safe for
// concurrent use. Its own methods believe every listed key, in force or not, which
// is for records of the past; a [Ring] believes at a time.
type KeySet struct {
	list  KeyList
	roots []ed25519.PublicKey // The roots that led to it, the one that signed it last.
	keys  map[string]Key
}

// OpenKeySet verifies a key set file against the root's public key. Lines by roots
// before it are passed over; from the first that it has signed, each line must be
// by the root in force, have a higher version, and where it names a next root be
// followed by the same list signed by that one. The last line counts. The error
// wraps [ErrKeySet], or names the key that is at fault.
func OpenKeySet(root ed25519.PublicKey, file []byte) (*KeySet, error) {
	if len(root) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("root key of %d B: %w", len(root), ErrKeySet)
	}
	lines := bytes.Fields(file)
	if len(lines) == 0 || len(lines) > KeySetLinesMax {
		return nil, fmt.Errorf("key set file of %d lines, must have 1 to %d: %w", len(lines), KeySetLinesMax, ErrKeySet)
	}
	var set *KeySet
	roots := []ed25519.PublicKey{root}
	for i := 0; i < len(lines); i++ {
		payload, err := openKeySetLine(roots[len(roots)-1], lines[i])
		if err != nil {
			if set == nil && i+1 < len(lines) {
				continue // By a root before ours: we were given the one that it led to.
			}
			if len(lines) == 1 {
				return nil, fmt.Errorf("%w: %w", ErrKeySet, err)
			}
			return nil, fmt.Errorf("line %d: %w: %w", i+1, ErrKeySet, err)
		}
		next, err := newKeySet(payload)
		if err != nil {
			return nil, err
		}
		if set != nil && next.list.Version <= set.list.Version {
			return nil, fmt.Errorf("line %d: version %d comes after version %d: %w", i+1, next.list.Version, set.list.Version, ErrKeySet)
		}
		if to := next.list.NextRoot; to != nil && !bytes.Equal(to, roots[len(roots)-1]) {
			i++
			err = signedAgain(to, lines, i, payload)
			if err != nil {
				return nil, err
			}
			roots = append(roots, to)
		}
		next.roots = slices.Clone(roots)
		set = next
	}
	return set, nil
}

// signedAgain reports why line i is not the same list, signed by the next root. It
// proves that whoever rotated had that root's private key.
func signedAgain(root ed25519.PublicKey, lines [][]byte, i int, payload []byte) error {
	if i >= len(lines) {
		return fmt.Errorf("the next root has not signed the list that names it: %w", ErrKeySet)
	}
	again, err := openKeySetLine(root, lines[i])
	if err != nil {
		return fmt.Errorf("line %d, by the next root: %w: %w", i+1, ErrKeySet, err)
	}
	if !bytes.Equal(again, payload) {
		return fmt.Errorf("line %d: the next root has signed another list: %w", i+1, ErrKeySet)
	}
	return nil
}

func openKeySetLine(root ed25519.PublicKey, line []byte) ([]byte, error) {
	if len(root) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("root key of %d B: %w", len(root), ErrKeySet)
	}
	typ, _, payload, err := open(line, func(kid string) (Key, error) {
		if kid != kidRoot {
			return Key{}, ErrUnknownKey
		}
		return Key{ID: kidRoot, Public: root}, nil
	})
	if err == nil && typ != typKeySet {
		err = fmt.Errorf("typ %q: %w", typ, ErrUnsigned)
	}
	return payload, err
}

// newKeySet decodes a list whose signature has been checked.
func newKeySet(payload []byte) (*KeySet, error) {
	var list KeyList
	into, least := any(&list), uint64(1)
	if bytes.HasPrefix(payload, []byte("[")) {
		into, least = &list.Keys, 0 // Before lists had versions they were their keys alone.
	}
	err := json.Unmarshal(payload, into)
	if err == nil && list.Version < least {
		err = errors.New("it has no version")
	}
	if err != nil {
		return nil, fmt.Errorf("decode key set: %w", err)
	}
	if len(list.Keys) > KeysMax {
		return nil, fmt.Errorf("key set has %d keys, at most %d are allowed", len(list.Keys), KeysMax)
	}
	set := &KeySet{list: list, keys: make(map[string]Key, len(list.Keys))}
	for _, k := range list.Keys {
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

// Listed is k, which believes every key that it lists.
func (k *KeySet) Listed() *KeySet { return k }

// List is what the root has signed.
func (k *KeySet) List() KeyList {
	l := k.list
	l.Keys = slices.Clone(l.Keys)
	return l
}

// Root is the public key that signs the list after this one.
func (k *KeySet) Root() ed25519.PublicKey { return k.roots[len(k.roots)-1] }

// Follows reports why k must not take the place of before: it is older, or it is
// another list of the same version. A set of which no root is known to before is
// a new beginning: the operator has replaced the root.
func (k *KeySet) Follows(before *KeySet) error {
	related := slices.ContainsFunc(k.roots, func(r ed25519.PublicKey) bool {
		return slices.ContainsFunc(before.roots, func(b ed25519.PublicKey) bool { return bytes.Equal(r, b) })
	})
	switch {
	case !related || k.list.Version > before.list.Version:
		return nil
	case k.list.Version < before.list.Version:
		return fmt.Errorf("version %d, version %d is in force: %w", k.list.Version, before.list.Version, ErrRollback)
	case !sameList(k.list, before.list):
		return fmt.Errorf("another list has version %d, too: %w", k.list.Version, ErrRollback)
	}
	return nil
}

func sameList(a, b KeyList) bool {
	return a.Made.Equal(b.Made) && bytes.Equal(a.NextRoot, b.NextRoot) && slices.EqualFunc(a.Keys, b.Keys, func(x, y Key) bool {
		return x.ID == y.ID && x.Class == y.Class && x.Gateway == y.Gateway && bytes.Equal(x.Public, y.Public) && x.From.Equal(y.From) && x.Until.Equal(y.Until)
	})
}

// Signer picks, of a holder's private keys, the one to sign with at now: of those
// whose time has come and not ended the one whose time came last. The error wraps
// [ErrUnknownKey] where the set lists none of them for the class, and
// [ErrNotInForce] where it does, but none is in force.
func (k *KeySet) Signer(class Class, private []ed25519.PrivateKey, now time.Time) (Signer, error) {
	var best *Key
	var with ed25519.PrivateKey
	listed := false
	for i := range k.list.Keys {
		key := &k.list.Keys[i]
		at := slices.IndexFunc(private, func(p ed25519.PrivateKey) bool { return bytes.Equal(p[ed25519.SeedSize:], key.Public) })
		if at < 0 || key.Class != class {
			continue
		}
		listed = true
		begun := key.From.IsZero() || !now.Before(key.From) // No skew: others are to believe it before we sign.
		if begun && key.InForce(now) && (best == nil || !key.From.Before(best.From)) {
			best, with = key, private[at]
		}
	}
	switch {
	case best != nil:
		return NewSigner(best.ID, with), nil
	case listed:
		return Signer{}, fmt.Errorf("none of %d keys of class %s: %w", len(private), class, ErrNotInForce)
	}
	return Signer{}, fmt.Errorf("none of %d keys is listed for class %s: %w", len(private), class, ErrUnknownKey)
}

// listed finds a key, in force or not.
func (k *KeySet) listed(kid string) (Key, error) {
	key, ok := k.keys[kid]
	if !ok {
		return Key{}, ErrUnknownKey
	}
	return key, nil
}

// inForce finds a key that is in force at a time.
func (k *KeySet) inForce(now time.Time) func(kid string) (Key, error) {
	return func(kid string) (Key, error) {
		key, err := k.listed(kid)
		if err != nil {
			return Key{}, err
		}
		if !key.InForce(now) {
			return Key{}, fmt.Errorf("in force %s: %w", span(key), ErrNotInForce)
		}
		return key, nil
	}
}

// span is the time of a key as text.
func span(k Key) string {
	from, until := "always", "for ever"
	if !k.From.IsZero() {
		from = "from " + k.From.UTC().Format(time.RFC3339)
	}
	if !k.Until.IsZero() {
		until = "until " + k.Until.UTC().Format(time.RFC3339)
	}
	return from + " " + until
}
