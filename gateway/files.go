package gateway

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/assertion"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/origin"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// CheckFiles opens every file that [New] opens and reports every fault at once,
// each named by its key. A key without a file is [Config.Validate]'s to report.
func (c Config) CheckFiles() error {
	var errs []error
	if c.TenantKeyFile != "" {
		_, _, err := loadTenantKey(c.TenantKeyFile)
		errs = append(errs, err)
	}
	if c.Keys.KeySetFile != "" && c.Keys.RootPublicFile != "" {
		_, err := loadKeys(c.Keys)
		errs = append(errs, err)
	}
	_, err := loadToken(c.Admin.TokenFile)
	errs = append(errs, err)
	if t := c.Listen.TLS; t.CertFile != "" && t.KeyFile != "" {
		_, err = tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			errs = append(errs, fmt.Errorf("listen.tls.cert_file: %w", err))
		}
	}
	return errors.Join(append(errs, c.checkParts())...)
}

// checkParts lets the parts that read files of their own read them. A part
// whose configuration is at fault reads nothing.
func (c Config) checkParts() error {
	var errs []error
	logger, meter := slog.New(slog.DiscardHandler), noop.NewMeterProvider().Meter("")
	never := func() time.Time { return time.Time{} } // Nothing is asked that has a time.
	if c.Origin.Validate() == nil {
		r, err := origin.New(origin.Options{Config: c.Origin, Logger: logger, Meter: meter})
		errs = append(errs, under("origin", err))
		if err == nil {
			errs = append(errs, r.Close())
		}
	}
	if c.Identity.Validate() == nil {
		_, err := identity.New(identity.Options{Config: c.Identity, Logger: logger, Meter: meter, Now: never})
		errs = append(errs, err)
	}
	if c.Assertion.Validate() == nil {
		_, err := assertion.New(c.Assertion, never)
		errs = append(errs, err)
	}
	if c.Proxy.Validate() == nil {
		p, err := proxy.New(proxy.Options{Config: c.Proxy, Logger: logger, Meter: meter, Now: never})
		errs = append(errs, err)
		if err == nil {
			p.Close()
		}
	}
	return errors.Join(errs...)
}

// loadTenantKey reads the tenant's key, and the names under it.
func loadTenantKey(file string) (key []byte, names event.Names, err error) {
	key, err = readFile("tenant_key_file", file)
	if err != nil {
		return nil, event.Names{}, err
	}
	names, err = event.NewNames(key)
	if err != nil {
		return nil, event.Names{}, fmt.Errorf("tenant_key_file: %w", err)
	}
	return key, names, nil
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
