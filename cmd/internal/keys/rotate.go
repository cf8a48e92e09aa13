package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// endedKept is how long a key that has ended stays listed, longer than an operator's
// verdict lasts: what it signed before stands in topics and files.
const endedKept = 400 * 24 * time.Hour

// ErrRoot means that the root's private key at hand is not the one that signs the
// next key set.
var ErrRoot = errors.New("not the root key that signs the next key set")

// Rotation says which keys are replaced, and when.
type Rotation struct {
	Class verdict.Class
	// KeyFile holds the private keys that are replaced; the new one goes to its end.
	KeyFile string
	// RootKey is where the root's private key is.
	RootKey string
	Now     time.Time
	// Lead is how long from now the new key begins to sign: every gateway must have
	// the key set by then. Overlap is how long after that the old ones are believed:
	// what they have signed must be signed anew by then.
	Lead, Overlap time.Duration
	// Compromised keys are listed no longer: what they have signed is taken back.
	Compromised bool
}

// KeyFile is the file of the private keys of a class; "" for a class without one.
func (p Files) KeyFile(class verdict.Class) string {
	switch class {
	case verdict.ClassAnalyzer:
		return p.AnalyzerKey
	case verdict.ClassOperator:
		return p.OperatorKey
	case verdict.ClassFeed:
		return filepath.Join(filepath.Dir(p.KeySet), "feed.pem")
	case verdict.ClassGateway: // A file for each gateway: see AddGateway.
	}
	return ""
}

// Rotate makes the next private key of a class and the key set that says so. It
// returns the new list. While the one that it made before still waits to sign, it
// makes no further one: whoever calls twice has most likely not seen the first. The
// private key is there before the key set names it, so that a crash leaves a key too many
// and never one too few.
func (p Files) Rotate(r Rotation) (verdict.KeyList, error) {
	set, root, err := p.rootFor(r.RootKey)
	if err != nil {
		return verdict.KeyList{}, err
	}
	old, err := readKeys(r.KeyFile)
	if err != nil {
		return verdict.KeyList{}, err
	}
	for _, k := range set.List().Keys {
		if k.From.After(r.Now) && r.replaces(k, old) && !r.Compromised {
			return verdict.KeyList{}, fmt.Errorf("%s: %s is there already and signs from %s on: hand out %s and the file, and rotate again after that; a stolen key is replaced at once with --compromised",
				r.KeyFile, k.ID, k.From.Format(time.RFC3339), p.KeySet)
		}
	}
	_, fresh, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return verdict.KeyList{}, fmt.Errorf("make key: %w", err)
	}
	list := r.list(set.List(), old, fresh.Public().(ed25519.PublicKey))
	if len(list.Keys) > verdict.KeysMax {
		return list, fmt.Errorf("%s would list %d keys, at most %d are allowed", p.KeySet, len(list.Keys), verdict.KeysMax)
	}
	err = appendKey(r.KeyFile, old, fresh)
	if err != nil {
		return list, err
	}
	return list, p.publish(list, root, nil)
}

// list is the list after l, in which a fresh key takes over from the old ones.
func (r Rotation) list(l verdict.KeyList, old []ed25519.PrivateKey, fresh ed25519.PublicKey) verdict.KeyList {
	from := r.Now.Add(r.Lead)
	next := verdict.KeyList{Version: l.Version + 1, Made: r.Now}
	replaces := false
	for _, k := range l.Keys {
		ours := r.replaces(k, old)
		switch {
		case !k.Until.IsZero() && r.Now.Sub(k.Until) > endedKept:
			continue
		case ours && r.Compromised:
			continue
		case ours:
			replaces = true
			if end := from.Add(r.Overlap); k.Until.IsZero() || k.Until.After(end) {
				k.Until = end
			}
		}
		next.Keys = append(next.Keys, k)
	}
	k := verdict.Key{ID: nextID(l, r.Class), Class: r.Class, Public: fresh, From: from}
	if !replaces { // There is nothing that could sign until then.
		k.From = r.Now
	}
	next.Keys = append(next.Keys, k)
	return next
}

// replaces reports whether a listed key is one of those that the rotation replaces.
func (r Rotation) replaces(k verdict.Key, old []ed25519.PrivateKey) bool {
	return k.Class == r.Class && slices.ContainsFunc(old, func(p ed25519.PrivateKey) bool { return bytes.Equal(p[ed25519.SeedSize:], k.Public) })
}

// nextID is the next id of a class, such as analyzer-2. The latest key of a class is
// always listed, so that no id is used twice.
func nextID(l verdict.KeyList, class verdict.Class) string {
	last := 0
	for _, k := range l.Keys {
		number, ok := strings.CutPrefix(k.ID, string(class)+"-")
		n, err := strconv.Atoi(number)
		if ok && err == nil {
			last = max(last, n)
		}
	}
	return string(class) + "-" + strconv.Itoa(last+1)
}

// RotateRoot makes the next root. The key set names it and is signed by both, so
// that whoever knows the old one believes the new one; that one alone signs from now
// on. The old private key is kept aside, for its owner to destroy.
func (p Files) RotateRoot(rootKey string, now time.Time) (verdict.KeyList, error) {
	set, root, err := p.rootFor(rootKey)
	if err != nil {
		return verdict.KeyList{}, err
	}
	_, fresh, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return verdict.KeyList{}, fmt.Errorf("make key: %w", err)
	}
	list := set.List()
	list.Version, list.Made, list.NextRoot = list.Version+1, now, fresh.Public().(ed25519.PublicKey)
	private, err := encodeKey(fresh)
	if err != nil {
		return list, err
	}
	public, err := encodePublic(list.NextRoot)
	if err != nil {
		return list, err
	}
	next := rootKey + ".next"
	err = replaceFile(next, private)
	if err == nil {
		err = p.publish(list, root, fresh)
	}
	if err == nil {
		err = os.Rename(rootKey, rootKey+".retired")
	}
	if err == nil {
		err = os.Rename(next, rootKey)
	}
	if err == nil {
		err = replaceFile(p.RootPublic, public)
	}
	if err != nil {
		return list, fmt.Errorf("rotate the root: the new private key is %s or %s: %w", next, rootKey, err)
	}
	return list, nil
}

// rootFor opens the key set and the private key that signs the one after it.
func (p Files) rootFor(rootKey string) (*verdict.KeySet, ed25519.PrivateKey, error) {
	set, err := p.open()
	if err != nil {
		return nil, nil, err
	}
	b, err := keyfile.Secret(rootKey)
	if err != nil {
		return nil, nil, fmt.Errorf("the root's private key signs key sets; bring it here, or name it with --root-key-file: %w", err)
	}
	root, err := verdict.ParsePrivateKey(b)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", rootKey, err)
	}
	if !bytes.Equal(root[ed25519.SeedSize:], set.Root()) {
		return nil, nil, fmt.Errorf("%s: key set %s of version %d asks for root %s: %w", rootKey, p.KeySet, set.List().Version, Fingerprint(set.Root()), ErrRoot)
	}
	return set, root, nil
}

// publish signs a list and puts it in the key set file, behind the lists that named
// the roots before. What comes out must be what every verifier can read.
func (p Files) publish(list verdict.KeyList, root, next ed25519.PrivateKey) error {
	before, err := os.ReadFile(p.KeySet)
	if err != nil {
		return fmt.Errorf("read key set: %w", err)
	}
	lines, err := list.Sign(root, next)
	if err != nil {
		return fmt.Errorf("sign key set: %w", err)
	}
	file := append(rootLines(before, verdict.KeySetLinesMax-bytes.Count(lines, []byte("\n"))), lines...)
	_, err = verdict.OpenKeySet(root.Public().(ed25519.PublicKey), file)
	if err != nil {
		return fmt.Errorf("the new key set would not open: %w", err)
	}
	return replaceFile(p.KeySet, file)
}

// rootLines are the last lines of a key set file that name a next root, whole pairs
// and at most so many: they lead whoever knows an earlier root to the one in force.
func rootLines(file []byte, most int) []byte {
	var kept [][]byte
	for line := range bytes.FieldsSeq(file) {
		parts := bytes.Split(line, []byte{'.'})
		var l verdict.KeyList
		if len(parts) != 3 {
			continue
		}
		payload, err := base64.RawURLEncoding.DecodeString(string(parts[1]))
		if err == nil && json.Unmarshal(payload, &l) == nil && l.NextRoot != nil {
			kept = append(kept, append(line, '\n'))
		}
	}
	most -= most % 2
	return bytes.Join(kept[max(0, len(kept)-most):], nil)
}

// Fingerprint is the start of a public key, for people to compare.
func Fingerprint(key ed25519.PublicKey) string { return base64.RawURLEncoding.EncodeToString(key)[:16] }

// readKeys reads a file of private keys; none where it is missing.
func readKeys(name string) ([]ed25519.PrivateKey, error) {
	b, err := os.ReadFile(name) //nolint:gosec // The operator names the file.
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	list, err := verdict.ParsePrivateKeys(b)
	if err != nil {
		return nil, fmt.Errorf("read keys: %s: %w", name, err)
	}
	return list, nil
}

// appendKey puts a private key at the end of a file of at most half of what may be
// in one: the older half goes first.
func appendKey(name string, old []ed25519.PrivateKey, fresh ed25519.PrivateKey) error {
	keep := old[max(0, len(old)-verdict.PrivateKeysMax/2+1):]
	var file []byte
	for _, k := range append(slices.Clone(keep), fresh) {
		b, err := encodeKey(k)
		if err != nil {
			return err
		}
		file = append(file, b...)
	}
	return replaceFile(name, file)
}

func encodeKey(k ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func encodePublic(k ed25519.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		return nil, fmt.Errorf("encode root key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}
