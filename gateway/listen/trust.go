package listen

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// What the listener asks of clients about certificates.
const (
	ClientAuthOptional = "optional" // One that is shown must lead to the trust bundle.
	ClientAuthRequired = "required" // One must be shown.
)

// trust serves a TLS configuration that asks for client certificates, and reads
// its bundle again when that changes. A bundle that cannot be read leaves the
// old one in place.
type trust struct {
	config  TLS
	base    *tls.Config
	now     func() time.Time
	log     *slog.Logger
	metrics metrics

	mu      sync.Mutex
	current *tls.Config
	stamp   stamp
	checked time.Time
}

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

// LoadBundle reads certificates of authorities in PEM. A file with anything
// else in it, or with none, is refused: half a bundle locks people out.
func LoadBundle(name string) (*x509.CertPool, error) {
	b, err := os.ReadFile(name) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, fmt.Errorf("read trust bundle: %w", err)
	}
	pool, n := x509.NewCertPool(), 0
	for len(bytes.TrimSpace(b)) > 0 {
		var block *pem.Block
		block, b = pem.Decode(b)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("read trust bundle: behind %d certificates is something else", n)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read trust bundle: certificate %d: %w", n+1, err)
		}
		pool.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil, errors.New("read trust bundle: has no certificate")
	}
	return pool, nil
}

// load reads the bundle; mu is held, or nobody else has t yet.
func (t *trust) load() error {
	fi, err := os.Stat(t.config.ClientCAFile)
	if err != nil {
		return fmt.Errorf("look at trust bundle: %w", err)
	}
	s := stamp{modified: fi.ModTime(), size: fi.Size()}
	if s == t.stamp {
		return nil
	}
	t.stamp = s // Also where it is broken: a broken bundle is tried once.
	pool, err := LoadBundle(t.config.ClientCAFile)
	if err != nil {
		return err
	}
	next := t.base.Clone()
	next.ClientCAs, next.ClientAuth = pool, tls.VerifyClientCertIfGiven
	if t.config.ClientAuth == ClientAuthRequired {
		next.ClientAuth = tls.RequireAndVerifyClientCert
	}
	// A ticket would carry a certificate past a bundle that no longer trusts it.
	next.SessionTicketsDisabled = true
	// net/http sets them on the configuration that it knows, not on this one.
	next.NextProtos = []string{"h2", "http/1.1"}
	t.current = next
	return nil
}

// get is for tls.Config.GetConfigForClient.
func (t *trust) get(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if now.Sub(t.checked) < certCheck {
		return t.current, nil
	}
	t.checked = now
	before := t.current
	err := t.load()
	if err != nil || t.current != before {
		t.reloaded(hello.Context(), err)
	}
	return t.current, nil
}

func (t *trust) reloaded(ctx context.Context, err error) {
	t.metrics.reload(ctx, err)
	if err != nil {
		t.log.ErrorContext(ctx, "new trust bundle cannot be used, the old one stays", "client_ca_file", t.config.ClientCAFile, "error", err)
		return
	}
	t.log.InfoContext(ctx, "trust bundle loaded", "client_ca_file", t.config.ClientCAFile)
}
