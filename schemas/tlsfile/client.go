package tlsfile

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/keyfile"
)

// dialTimeout bounds a connection attempt with its handshake.
const dialTimeout = 5 * time.Second

// ErrHandshake means that a server was reached and no secure connection to it
// came about. The error's text says what to look at.
var ErrHandshake = errors.New("tls handshake failed")

// Client says how a server is reached over TLS: section tls of a configuration. Its files are read again when
// they change, for new connections.
type Client struct {
	// CAFile holds the certificates (PEM) that the server is verified against; for
	// one with a public certificate name the system's bundle. Empty is plain text.
	CAFile string `mapstructure:"ca_file"`
	// CertFile is the certificate chain (PEM) that is shown to the server; empty
	// for none.
	CertFile string `mapstructure:"cert_file"`
	// KeyFile is its private key (PEM). Only its owner and group may be able to read it.
	KeyFile string `mapstructure:"key_file"`
	// ServerName is the DNS name or IP address that the server's certificate must
	// be valid for; empty is the one that is dialled.
	ServerName string `mapstructure:"server_name"`
}

// Enabled reports whether connections are made over TLS.
func (c Client) Enabled() bool { return c.CAFile != "" }

// Validate reports every fault at once, each named by its key.
func (c Client) Validate() error {
	var errs []error
	if !c.Enabled() && (c.CertFile != "" || c.KeyFile != "" || c.ServerName != "") {
		errs = append(errs, errors.New("tls.ca_file: is required where any other key of tls is set"))
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		errs = append(errs, errors.New("tls.cert_file: needs key_file, and the other way round"))
	}
	if c.ServerName != "" {
		err := CheckIdentity(c.ServerName)
		if err != nil || strings.HasPrefix(c.ServerName, spiffeScheme) {
			errs = append(errs, fmt.Errorf("tls.server_name: %q is no DNS name", c.ServerName))
		}
	}
	return errors.Join(errs...)
}

// Dialer connects to servers as a [Client] says.
type Dialer struct {
	name   string
	bundle *Bundle // Nil is plain text.
	pair   *Pair   // Nil shows no certificate.
}

// NewDialer reads the files of c. The error names the key at fault.
func NewDialer(c Client, o Options) (*Dialer, error) {
	d := &Dialer{name: c.ServerName}
	if !c.Enabled() {
		return d, nil
	}
	var err error
	d.bundle, err = OpenBundle(c.CAFile, o)
	if err != nil {
		return nil, fmt.Errorf("tls.ca_file: %w", err)
	}
	if c.CertFile == "" {
		return d, nil
	}
	err = keyfile.Private("tls.key_file", c.KeyFile)
	if err != nil {
		return nil, err
	}
	d.pair, err = OpenPair(c.CertFile, c.KeyFile, o)
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file: %w", err)
	}
	return d, nil
}

// Secure reports whether connections are made over TLS.
func (d *Dialer) Secure() bool { return d != nil && d.bundle != nil }

// Name is what the certificate that is shown says about its holder, "" where
// none is shown.
func (d *Dialer) Name() string {
	if d == nil || d.pair == nil {
		return ""
	}
	leaf, err := x509.ParseCertificate(d.pair.Certificate().Certificate[0])
	if err != nil {
		return ""
	}
	return leaf.Subject.String()
}

// Dial connects to a server, and over TLS has shaken hands when it returns. A nil
// Dialer speaks plain text. The error wraps [ErrHandshake] where somebody
// answered and it was not the server that is meant.
func (d *Dialer) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil || !d.Secure() {
		return raw, err //nolint:wrapcheck // net's error names the operation and the address.
	}
	config, err := d.config(address)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	conn := tls.Client(raw, config)
	err = conn.HandshakeContext(ctx)
	if err != nil {
		_ = raw.Close() // Nothing was said on it.
		return nil, fmt.Errorf("%w with %s: %w%s", ErrHandshake, address, err, hint(err))
	}
	return conn, nil
}

// config is made for each connection, so that it has the files' latest content.
func (d *Dialer) config(address string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: d.bundle.Pool(), ServerName: d.name}
	if d.name == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("address %q: %w", address, err)
		}
		c.ServerName = host
	}
	if d.pair != nil {
		c.Certificates = []tls.Certificate{*d.pair.Certificate()}
	}
	return c, nil
}

// hint is what to look at after a handshake that has failed; "" where the error
// says it.
func hint(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		plain   tls.RecordHeaderError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &unknown):
		return "; the server's certificate is not signed by an authority of tls.ca_file"
	case errors.As(err, &name):
		return "; the server's certificate is for other names: dial one of those or say it in tls.server_name"
	case errors.As(err, &plain):
		return "; the port does not speak TLS: name the TLS port, or take tls out of the configuration"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "; the server's certificate has to be renewed, or this machine's clock is wrong"
	case strings.Contains(err.Error(), "remote error: tls:"):
		return "; the server refuses this client's certificate: look at tls.cert_file"
	}
	return ""
}
