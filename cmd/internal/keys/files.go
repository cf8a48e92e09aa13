package keys

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Ids of the keys in the key set of a new installation.
const (
	AnalyzerKid = "analyzer-1"
	OperatorKid = "operator-1"
)

// Files are where the keys and secrets of an installation lie.
type Files struct {
	// TenantKey holds the 32 bytes under which names become pseudonyms.
	TenantKey string
	// RootKey is private and signs key sets; a production installation keeps it offline.
	RootKey string
	// RootPublic is what gateways and analyzers verify key sets by.
	RootPublic string
	// AnalyzerKey signs verdicts.
	AnalyzerKey string
	// OperatorKey signs operators' verdicts.
	OperatorKey string
	// KeySet lists the public keys, signed by the root.
	KeySet string
	// AdminToken opens the admin ports.
	AdminToken string
	// ClickHousePassword is that of the database user.
	ClickHousePassword string
}

// In names the files of an installation in dir.
func In(dir string) Files {
	keys, secrets := filepath.Join(dir, "keys"), filepath.Join(dir, "secrets")
	return Files{
		TenantKey:          filepath.Join(secrets, "tenant.key"),
		RootKey:            filepath.Join(keys, "root.pem"),
		RootPublic:         filepath.Join(keys, "root.pub.pem"),
		AnalyzerKey:        filepath.Join(keys, "analyzer.pem"),
		OperatorKey:        filepath.Join(keys, "operator.pem"),
		KeySet:             filepath.Join(keys, "keys.jws"),
		AdminToken:         filepath.Join(secrets, "admin-token"),
		ClickHousePassword: filepath.Join(secrets, "clickhouse-password"),
	}
}

// Init makes what is missing of an installation's keys and secrets in dir.
func Init(dir string) (Files, error) {
	p := In(dir)
	for _, folder := range []string{dir, filepath.Dir(p.KeySet), filepath.Dir(p.TenantKey)} {
		err := os.MkdirAll(folder, 0o700)
		if err != nil {
			return p, fmt.Errorf("make folder: %w", err)
		}
	}
	return p, p.fill()
}

func (p Files) fill() error {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // Never fails; see its documentation.
	err := errors.Join(
		ensureFile(p.TenantKey, raw),
		ensureFile(p.AdminToken, []byte(randomText())),
		ensureFile(p.ClickHousePassword, []byte(randomText())),
	)
	if err != nil {
		return err
	}
	_, err = os.Stat(p.KeySet)
	if err == nil {
		return nil // The root may be offline by now, and the keys have been rotated.
	}
	root, err := ensureKey(p.RootKey)
	if err != nil {
		return err
	}
	analyzer, err := ensureKey(p.AnalyzerKey)
	if err != nil {
		return err
	}
	operator, err := ensureKey(p.OperatorKey)
	if err != nil {
		return err
	}
	set, err := verdict.SignKeySet(root, []verdict.Key{
		{ID: AnalyzerKid, Class: verdict.ClassAnalyzer, Public: analyzer.Public().(ed25519.PublicKey)},
		{ID: OperatorKid, Class: verdict.ClassOperator, Public: operator.Public().(ed25519.PublicKey)},
	})
	if err != nil {
		return fmt.Errorf("make key set: %w", err)
	}
	public, err := encodePublic(root.Public().(ed25519.PublicKey))
	if err != nil {
		return err
	}
	return errors.Join(ensureFile(p.RootPublic, public), ensureFile(p.KeySet, set)) // The set says that all is there.
}

// EnsureSecret makes a file with a secret of 192 random bits, as text of 32
// characters, where there is none.
func EnsureSecret(name string) error { return ensureFile(name, []byte(randomText()+"\n")) }

// ensureFile writes a file that is not there yet, readable by its owner alone.
func ensureFile(name string, content []byte) error {
	_, err := os.Stat(name)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for secret: %w", err)
	}
	return replaceFile(name, content)
}

// replaceFile writes a file that only its owner can read, or whoever could before. A crash leaves the old one
// or the new one, and no half of a key.
func replaceFile(name string, content []byte) error {
	mode := os.FileMode(0o600)
	fi, err := os.Stat(name)
	if err == nil {
		mode = fi.Mode().Perm() // As it was handed out, to a group perhaps.
	}
	err = os.WriteFile(name+".new", content, 0o600)
	if err == nil {
		err = os.Chmod(name+".new", mode)
	}
	if err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	err = os.Rename(name+".new", name)
	if err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	return nil
}

// ensureKey returns the Ed25519 key of a PKCS#8 PEM file, made if it is missing.
func ensureKey(name string) (ed25519.PrivateKey, error) {
	_, fresh, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	encoded, err := encodeKey(fresh)
	if err != nil {
		return nil, err
	}
	err = ensureFile(name, encoded)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(name) //nolint:gosec // The operator names the directory.
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	key, err := verdict.ParsePrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", name, err)
	}
	return key, nil
}

// randomText is 192 bits for people to paste.
func randomText() string {
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // Never fails; see its documentation.
	return base64.RawURLEncoding.EncodeToString(raw)
}
