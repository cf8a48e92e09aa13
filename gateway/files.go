package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/assertion"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/gateway/origin"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// CheckFiles opens every file that [New] opens and reports every fault at once,
// each named by its key. A key without a file is [Config.Validate]'s to report.
func (c Config) CheckFiles() error {
	var errs []error
	if c.TenantKeyFile != "" {
		_, _, err := keyfile.TenantKey(c.TenantKeyFile)
		errs = append(errs, err)
	}
	if c.Keys.KeySetFile != "" && c.Keys.RootPublicFile != "" {
		keys, err := keyfile.KeySet(c.Keys.RootPublicFile, c.Keys.KeySetFile)
		errs = append(errs, err)
		if err == nil {
			_, err = c.sealer(keys)
			errs = append(errs, err)
		}
	}
	errs = append(errs, under("kafka", c.Kafka.CheckFiles()))
	_, err := keyfile.Token(c.Admin.TokenFile)
	errs = append(errs, err)
	_, err = c.Admin.TLS.Config(tlsfile.Options{Now: func() time.Time { return time.Time{} }})
	errs = append(errs, under("admin", err))
	if t := c.Listen.TLS; t.CertFile != "" && t.KeyFile != "" {
		_, err = tlsfile.OpenPair(t.CertFile, t.KeyFile, tlsfile.Options{Now: func() time.Time { return time.Time{} }})
		if err != nil {
			errs = append(errs, fmt.Errorf("listen.tls.cert_file: %w", err))
		}
	}
	if c.Listen.TLS.ClientCAFile != "" {
		_, err = tlsfile.OpenBundle(c.Listen.TLS.ClientCAFile, tlsfile.Options{Now: func() time.Time { return time.Time{} }})
		if err != nil {
			errs = append(errs, fmt.Errorf("listen.tls.client_ca_file: %w", err))
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
	if c.Login.Enabled() && c.Login.Validate() == nil {
		errs = append(errs, login.CheckFiles(c.Login))
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
