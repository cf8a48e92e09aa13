package gateway

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// loadKeys reads the key set and checks that the root has signed it.
func loadKeys(c Keys) (*verdict.KeySet, error) {
	b, err := readFile("keys.root_public_file", c.RootPublicFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("keys.root_public_file: no PEM block")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("keys.root_public_file: %w", err)
	}
	root, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("keys.root_public_file: is a %T, must be Ed25519", key)
	}
	set, err := readFile("keys.key_set_file", c.KeySetFile)
	if err != nil {
		return nil, err
	}
	keys, err := verdict.OpenKeySet(root, set)
	if err != nil {
		return nil, fmt.Errorf("keys.key_set_file: %w", err)
	}
	return keys, nil
}

// loadToken reads the admin token; nil where none is configured.
func loadToken(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	b, err := readFile("admin.token_file", file)
	if err != nil {
		return nil, err
	}
	b = bytes.TrimSpace(b)
	if len(b) < tokenBytesMin {
		return nil, fmt.Errorf("admin.token_file: has %d B, needs at least %d", len(b), tokenBytesMin)
	}
	return b, nil
}

// readFile reads a small file that a key names.
func readFile(key, path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if fi.Size() > fileBytesMax {
		return nil, fmt.Errorf("%s: has %d B, at most %d are allowed", key, fi.Size(), fileBytesMax)
	}
	b, err := os.ReadFile(path) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return b, nil
}
