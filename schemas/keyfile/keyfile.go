package keyfile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const (
	// BytesMax bounds a file.
	BytesMax = 1 << 20
	// TokenBytesMin is the least length of an admin token, 96 bits in base64: an
	// empty or toy token must not open an admin port.
	TokenBytesMin = 16
	// othersMask are the rights of those who are neither owner nor group.
	othersMask = 0o007
)

// Read reads a small file that a configuration key names and that is no secret.
func Read(key, path string) ([]byte, error) {
	b, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return b, nil
}

func read(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // Names the file.
	}
	if fi.Size() > BytesMax {
		return nil, fmt.Errorf("has %d B, at most %d are allowed", fi.Size(), BytesMax)
	}
	return os.ReadFile(path) //nolint:gosec,wrapcheck // The operator names the file, and the error does.
}

// TenantKey reads the tenant's key of tenant_key_file, and the pseudonyms under it.
func TenantKey(path string) (key []byte, names event.Names, err error) {
	key, err = Secret(path)
	if err != nil {
		return nil, event.Names{}, fmt.Errorf("tenant_key_file: %w", err)
	}
	names, err = event.NewNames(key)
	if err != nil {
		return nil, event.Names{}, fmt.Errorf("tenant_key_file: %w", err)
	}
	return key, names, nil
}

// KeySet reads the key set of keys.key_set_file and checks that the root of
// keys.root_public_file has signed it.
func KeySet(rootPath, setPath string) (*verdict.KeySet, error) {
	b, err := Read("keys.root_public_file", rootPath)
	if err != nil {
		return nil, err
	}
	root, err := verdict.ParsePublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("keys.root_public_file: %w", err)
	}
	set, err := Read("keys.key_set_file", setPath)
	if err != nil {
		return nil, err
	}
	keys, err := verdict.OpenKeySet(root, set)
	if err != nil {
		return nil, fmt.Errorf("keys.key_set_file: %w", err)
	}
	return keys, nil
}

// KeptKeySetName is the name of the copy that a service keeps of the key set in
// force, in a directory of its own.
const KeptKeySetName = "keys.jws"

// KeySetOver is [KeySet] for a service that keeps a copy in dir of the key set that
// was last in force: the one that the file holds must follow it, also across a
// restart. Where it does not, the error wraps [verdict.ErrRollback] and the copy is
// returned beside it, with which the service goes on. A copy that no root of
// keys.root_public_file has signed is of no account: the root was replaced. Where dir
// is empty nothing is kept.
func KeySetOver(rootPath, setPath, dir string) (*verdict.KeySet, error) {
	set, err := KeySet(rootPath, setPath)
	if err != nil || dir == "" {
		return set, err
	}
	kept := filepath.Join(dir, KeptKeySetName)
	before, err := KeySet(rootPath, kept)
	if err == nil {
		err = set.Follows(before)
		if err != nil {
			return before, fmt.Errorf("keys.key_set_file: %s is older than what was in force here (%s keeps it): install the latest key set: %w", setPath, kept, err)
		}
	}
	return set, keep(setPath, kept)
}

// keep copies a key set file, so that a crash leaves the old copy or the new one.
func keep(setPath, kept string) error {
	b, err := Read("keys.key_set_file", setPath)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(kept) //nolint:gosec // In the service's own directory.
	if err == nil && bytes.Equal(old, b) {
		return nil
	}
	err = os.MkdirAll(filepath.Dir(kept), 0o700)
	if err == nil {
		err = os.WriteFile(kept+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(kept+".new", kept)
	}
	if err != nil {
		return fmt.Errorf("keep the key set: %w", err)
	}
	return nil
}

// Token reads the token of admin.token_file without the space around it; nil
// where path is empty.
func Token(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	b, err := Secret(path)
	if err != nil {
		return nil, fmt.Errorf("admin.token_file: %w", err)
	}
	b = bytes.TrimSpace(b)
	if len(b) < TokenBytesMin {
		return nil, fmt.Errorf("admin.token_file: has %d B, needs at least %d", len(b), TokenBytesMin)
	}
	return b, nil
}

// Password reads the secret of a password file without the line end behind it.
func Password(key, path string) ([]byte, error) {
	b, err := Secret(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	b = bytes.TrimRight(b, "\r\n")
	if len(b) == 0 {
		return nil, fmt.Errorf("%s: is empty", key)
	}
	return b, nil
}

// Secret reads the file of a secret. The error names the file and what to do; the caller
// names the key that it is of.
func Secret(path string) ([]byte, error) {
	err := Closed(path)
	if err != nil {
		return nil, err
	}
	return read(path)
}

// Private is [Closed] for the file that a configuration key names.
func Private(key, path string) error {
	err := Closed(path)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// Closed reports why the file of a secret is not one: others than its owner and its group
// can read or write it. The group may, because that is how secrets are mounted into
// containers without root. A mount that is open to all is refused like any other file,
// although few may be there to see it: who starts a shell in the container, or mounts the
// volume elsewhere, is among them.
func Closed(path string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return err //nolint:wrapcheck // Names the file.
	}
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", path)
	}
	if mode := fi.Mode().Perm(); mode&othersMask != 0 {
		return fmt.Errorf("everybody on this machine can use %s (mode %04o): chmod 600 it, or mount it with mode 0440 for the group of the service (Kubernetes: defaultMode, fsGroup)", path, mode)
	}
	return nil
}
