package keys

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Held is a key set, and what an installation holds of its private halves.
type Held struct {
	List verdict.KeyList
	Root ed25519.PublicKey
	// Private names the file of each key's private half, by the key's id.
	Private map[string]string

	set   *verdict.KeySet
	files []holder
}

// holder is a file of private keys of one class.
type holder struct {
	class   verdict.Class
	name    string
	private []ed25519.PrivateKey
}

// errNone means that nobody has made keys in a directory.
var errNone = errors.New("no keys here")

// open opens the key set.
func (p Files) open() (*verdict.KeySet, error) {
	_, noSet := os.Stat(p.KeySet)
	_, noRoot := os.Stat(p.RootPublic)
	if errors.Is(noSet, fs.ErrNotExist) && errors.Is(noRoot, fs.ErrNotExist) {
		dir := filepath.Dir(filepath.Dir(p.KeySet))
		return nil, fmt.Errorf("%s: %w: name the directory of an installation, or make its keys with \"vigil keys init %s\"", dir, errNone, dir)
	}
	return keyfile.KeySet(p.RootPublic, p.KeySet) //nolint:wrapcheck // Names the file.
}

// Held opens the key set and the key files. What is missing of those is held elsewhere.
func (p Files) Held() (Held, error) {
	set, err := p.open()
	if err != nil {
		return Held{}, err
	}
	h := Held{List: set.List(), Root: set.Root(), Private: make(map[string]string), set: set}
	for _, class := range []verdict.Class{verdict.ClassAnalyzer, verdict.ClassOperator, verdict.ClassFeed} {
		name := p.KeyFile(class)
		private, err := readKeys(name)
		if err != nil {
			return Held{}, err
		}
		if len(private) == 0 {
			continue
		}
		h.files = append(h.files, holder{class, name, private})
		for _, k := range h.List.Keys {
			for _, own := range private {
				if k.Class == class && bytes.Equal(own[ed25519.SeedSize:], k.Public) {
					h.Private[k.ID] = name
				}
			}
		}
	}
	return h, nil
}

// Signs reports whether a key is the one that its holder signs with at now.
func (h Held) Signs(kid string, now time.Time) bool {
	for _, f := range h.files {
		signer, err := h.set.Signer(f.class, f.private, now)
		if err == nil && signer.Kid() == kid {
			return true
		}
	}
	return false
}

// Check lists what is wrong with an installation's keys: where, and what to do. A key
// that ends within a time is a fault where no other follows it. against is a key set
// file whose place this one is to take, "" for none.
func (p Files) Check(now time.Time, within time.Duration, against string) ([]string, error) {
	h, err := p.Held()
	if err != nil {
		if errors.Is(err, errNone) {
			return []string{err.Error()}, nil
		}
		return []string{fmt.Sprintf("%v: install the key set and the root's public key of this installation", err)}, nil
	}
	var faults []string
	for _, f := range h.files {
		_, err = h.set.Signer(f.class, f.private, now)
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v: install the key set that goes with the file, or run \"vigil keys rotate %s\"", f.name, err, f.class))
			continue
		}
		_, err = h.set.Signer(f.class, f.private, now.Add(within))
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s: no key signs in %v: run \"vigil keys rotate %s\"", f.name, within, f.class))
		}
	}
	if against == "" {
		return faults, nil
	}
	other, err := keyfile.KeySet(p.RootPublic, against)
	if err != nil {
		if _, missing := os.Stat(against); missing != nil { //nolint:noinlineerr // The error lives for one line.
			return nil, fmt.Errorf("--against: %w", missing)
		}
		return append(faults, fmt.Sprintf("%s: %v: it is of another root, and is no hindrance only where that was replaced", against, err)), nil
	}
	err = h.set.Follows(other)
	if err != nil {
		faults = append(faults, fmt.Sprintf("%s: %v: services that have %s refuse it: install the latest key set", p.KeySet, err, against))
	}
	return faults, nil
}
