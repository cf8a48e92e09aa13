package gateway

import (
	"bytes"
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
	root, err := verdict.ParsePublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("keys.root_public_file: %w", err)
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
