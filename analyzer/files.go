package analyzer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
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
		_, _, err = keyfile.TenantKey(c.TenantKeyFile)
		errs = append(errs, err)
	}
	if c.Announce.KeyFile != "" {
		_, err = announce.LoadKeys(c.Announce)
		errs = append(errs, err)
	}
	if c.Keys.KeySetFile != "" && c.Keys.RootPublicFile != "" {
		_, err = keyfile.KeySet(c.Keys.RootPublicFile, c.Keys.KeySetFile)
		errs = append(errs, err)
	}
	errs = append(errs, under("kafka", c.Kafka.CheckFiles()))
	_, err = keyfile.Token(c.Admin.TokenFile)
	errs = append(errs, err)
	_, err = c.Admin.TLS.Config(tlsfile.Options{Now: func() time.Time { return time.Time{} }})
	errs = append(errs, under("admin", err))
	if c.Store.PasswordFile != "" {
		_, err = keyfile.Password("store.password_file", c.Store.PasswordFile)
		errs = append(errs, err)
	}
	if c.Store.TLS.Validate() == nil {
		_, err = tlsfile.NewDialer(c.Store.TLS, tlsfile.Options{Now: func() time.Time { return time.Time{} }})
		errs = append(errs, under("store", err))
	}
	return errors.Join(errs...)
}

// loadModel reads the model file, or the built-in model where none is named.
func loadModel(c Model) (*model.Model, error) {
	if c.File == "" {
		return model.Default(), nil
	}
	b, err := keyfile.Read("model.file", c.File)
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
