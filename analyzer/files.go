package analyzer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/model"
	"github.com/vigil-gateway/vigil/scorer/trees"
)

// CheckFiles opens every file that [New] opens and reports every fault at once,
// each named by its key. A key without a file is [Config.Validate]'s to report.
func (c Config) CheckFiles() error {
	var errs []error
	_, err := loadModel(c.Model)
	errs = append(errs, err)
	if c.TenantKeyFile != "" {
		_, err = loadTenantKey(c.TenantKeyFile)
		errs = append(errs, err)
	}
	if c.Announce.KeyFile != "" {
		_, err = announce.LoadSigner(c.Announce)
		errs = append(errs, err)
	}
	if c.Keys.KeySetFile != "" && c.Keys.RootPublicFile != "" {
		_, err = loadKeys(c.Keys)
		errs = append(errs, err)
	}
	_, err = loadToken(c.Admin.TokenFile)
	errs = append(errs, err)
	if c.Store.PasswordFile != "" {
		_, err = readFile("store.password_file", c.Store.PasswordFile)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// loadTenantKey reads the key of the pseudonyms and checks that it is one.
func loadTenantKey(file string) ([]byte, error) {
	key, err := readFile("tenant_key_file", file)
	if err != nil {
		return nil, err
	}
	_, err = event.NewNames(key) // Says what is wrong with a key.
	if err != nil {
		return nil, fmt.Errorf("tenant_key_file: %w", err)
	}
	return key, nil
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

// loadModel reads the model file, or the built-in model where none is named.
func loadModel(c Model) (*model.Model, error) {
	if c.File == "" {
		return model.Default(), nil
	}
	b, err := readFile("model.file", c.File)
	if err != nil {
		return nil, err
	}
	m, err := model.ParseWith(c.File, b, Beside(c.File))
	if err != nil {
		return nil, fmt.Errorf("model.file: %w", err)
	}
	return m, nil
}

// Beside reads the files that a model file names: a relative name is that of a
// file beside the model file. The error names the file.
func Beside(modelFile string) model.Files {
	return func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(modelFile), name)
		}
		fi, err := os.Stat(name)
		switch {
		case err != nil:
			return nil, err
		case !fi.Mode().IsRegular():
			return nil, fmt.Errorf("%s: is no regular file", name)
		case fi.Size() > trees.FileBytesMax:
			return nil, fmt.Errorf("%s: has %d B, at most %d B are read", name, fi.Size(), trees.FileBytesMax)
		}
		return os.ReadFile(name) //nolint:gosec // The operator names the file.
	}
}

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
