package listen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"

	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// What the listener asks of clients about certificates.
const (
	ClientAuthOptional = "optional" // One that is shown must lead to the trust bundle.
	ClientAuthRequired = "required" // One must be shown.
)

// asks reports whether clients are asked for certificates.
func (t TLS) asks() bool { return t.ClientAuth != "" }

// faults reports what is wrong with the client's side.
func (t TLS) faults() []error {
	var errs []error
	if t.ClientAuth != "" && t.ClientAuth != ClientAuthOptional && t.ClientAuth != ClientAuthRequired {
		errs = append(errs, fmt.Errorf("tls.client_auth: unknown value %q, must be one of %s, %s", t.ClientAuth, ClientAuthOptional, ClientAuthRequired))
	}
	if (t.ClientAuth == "") != (t.ClientCAFile == "") {
		errs = append(errs, errors.New("tls.client_ca_file: it and client_auth go together"))
	}
	if t.ClientAuth != "" && t.CertFile == "" {
		errs = append(errs, errors.New("tls.client_auth: needs cert_file; without TLS nobody shows a certificate"))
	}
	return errs
}

// trust serves a TLS configuration that asks for client certificates, made anew
// where the trust bundle has changed.
type trust struct {
	base   *tls.Config
	bundle *tlsfile.Bundle

	mu      sync.Mutex
	pool    *x509.CertPool // Of current.
	current *tls.Config
}

// openTrust reads the trust bundle, and reads it again when it changes; base is the
// configuration without it.
func openTrust(o Options, base *tls.Config, m metrics) (*trust, error) {
	file := o.Config.TLS.ClientCAFile
	bundle, err := tlsfile.OpenBundle(file, tlsfile.Options{Now: o.Now, Changed: func(err error) {
		//nolint:forbidigo // The file concerns every connection, not the one whose handshake has noticed.
		ctx := context.Background()
		m.reload(ctx, err)
		if err != nil {
			o.Logger.ErrorContext(ctx, "new trust bundle cannot be used, the old one stays", "client_ca_file", file, "error", err)
			return
		}
		o.Logger.InfoContext(ctx, "trust bundle loaded", "client_ca_file", file)
	}})
	if err != nil {
		return nil, fmt.Errorf("client_ca_file: %w", err)
	}
	base = base.Clone()
	base.ClientAuth = tls.VerifyClientCertIfGiven
	if o.Config.TLS.ClientAuth == ClientAuthRequired {
		base.ClientAuth = tls.RequireAndVerifyClientCert
	}
	// A ticket would carry a certificate past a bundle that no longer trusts it.
	base.SessionTicketsDisabled = true
	// net/http sets them on the configuration that it knows, not on this one.
	base.NextProtos = []string{"h2", "http/1.1"}
	return &trust{base: base, bundle: bundle}, nil
}

// get is for tls.Config.GetConfigForClient.
func (t *trust) get(*tls.ClientHelloInfo) (*tls.Config, error) {
	pool := t.bundle.Pool()
	t.mu.Lock()
	defer t.mu.Unlock()
	if pool != t.pool {
		t.pool, t.current = pool, t.base.Clone()
		t.current.ClientCAs = pool
	}
	return t.current, nil
}
