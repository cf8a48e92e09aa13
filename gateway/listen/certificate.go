package listen

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate serves a certificate and reads its files again when they change.
// A pair that cannot be read leaves the old one in place: a renewal that went
// wrong must not take the service down before it expires.
type certificate struct {
	config  TLS
	now     func() time.Time
	log     *slog.Logger
	metrics metrics

	mu      sync.Mutex
	pair    *tls.Certificate
	stamp   [2]stamp
	checked time.Time
}

// stamp recognises a change of a file.
type stamp struct {
	modified time.Time
	size     int64
}

// version is the least version of TLS.
func (t TLS) version() uint16 {
	if t.MinVersion == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// load reads the files.
func (c *certificate) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.stamps()
	if err != nil {
		return err
	}
	c.checked = c.now()
	return c.read(s)
}

// read parses the files and remembers what they looked like; mu is held.
func (c *certificate) read(s [2]stamp) error {
	c.stamp = s // Also where they are broken: a broken pair is tried once.
	pair, err := tls.LoadX509KeyPair(c.config.CertFile, c.config.KeyFile)
	if err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	c.pair = &pair
	return nil
}

func (c *certificate) stamps() (s [2]stamp, err error) {
	for i, name := range []string{c.config.CertFile, c.config.KeyFile} {
		fi, err := os.Stat(name)
		if err != nil {
			return s, fmt.Errorf("look at certificate: %w", err)
		}
		s[i] = stamp{modified: fi.ModTime(), size: fi.Size()}
	}
	return s, nil
}

// get is for tls.Config.GetCertificate.
func (c *certificate) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.checked) < certCheck {
		return c.pair, nil
	}
	c.checked = now
	s, err := c.stamps()
	if err == nil && s != c.stamp {
		err = c.read(s)
		c.reloaded(hello.Context(), err)
	}
	return c.pair, nil
}

func (c *certificate) reloaded(ctx context.Context, err error) {
	c.metrics.reload(ctx, err)
	if err != nil {
		c.log.ErrorContext(ctx, "new certificate cannot be used, the old one stays", "cert_file", c.config.CertFile, "error", err)
		return
	}
	c.log.InfoContext(ctx, "certificate loaded", "cert_file", c.config.CertFile)
}
