package tlsfile

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Server is how a port of operators speaks TLS: section tls of a configuration. Its
// files are read again when they change, for new connections.
type Server struct {
	// CertFile holds the certificate chain in PEM; empty for no TLS.
	CertFile string `mapstructure:"cert_file"`
	// KeyFile holds its private key in PEM.
	KeyFile string `mapstructure:"key_file"`
	// ClientCAFile holds the authorities, in PEM, one of which must have signed the
	// certificate that every client has to show; empty asks for none.
	ClientCAFile string `mapstructure:"client_ca_file"`
}

// ValidateAt reports every fault at once, each named by its key, of a port at address,
// host:port. Off the loopback interface a port of operators takes TLS: who listens
// there reads the token that they show.
func (s Server) ValidateAt(address string) error {
	var errs []error
	host, _, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("address: %w", err))
	case s.CertFile == "" && !isLoopback(host):
		errs = append(errs, fmt.Errorf("address: %s can be reached from other machines, and without tls.cert_file who listens there reads the admin token: "+
			"give the port a certificate or put it on 127.0.0.1", address))
	}
	if (s.CertFile == "") != (s.KeyFile == "") {
		errs = append(errs, errors.New("tls: cert_file and key_file go together"))
	}
	if s.ClientCAFile != "" && s.CertFile == "" {
		errs = append(errs, errors.New("tls.client_ca_file: needs cert_file; without TLS nobody shows a certificate"))
	}
	return errors.Join(errs...)
}

// isLoopback reports whether only this machine can reach what listens at host. An empty
// one is every interface; a name may become any address.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// Listen opens the port at address, host:port, with TLS where it is configured. The
// error reports every fault, each named by its key: address, or one of section tls.
func (s Server) Listen(address string, o Options) (net.Listener, error) {
	secure, err := s.Config(o)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address) //nolint:noctx // Opening a port does not wait.
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	return l, nil
}

// Config reads the files; it is nil where no TLS is configured. Files that were
// replaced count from the next connection on. The error reports every fault, each
// named by its key.
func (s Server) Config(o Options) (*tls.Config, error) {
	if s.CertFile == "" {
		return nil, nil //nolint:nilnil // Plain text, which ValidateAt allows on this machine alone.
	}
	var errs []error
	pair, err := OpenPair(s.CertFile, s.KeyFile, o)
	if err != nil {
		errs = append(errs, fmt.Errorf("tls.cert_file: %w", err))
	}
	var clients *Bundle
	if s.ClientCAFile != "" {
		clients, err = OpenBundle(s.ClientCAFile, o)
		if err != nil {
			errs = append(errs, fmt.Errorf("tls.client_ca_file: %w", err))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			out := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*pair.Certificate()}, NextProtos: []string{"http/1.1"}}
			if clients != nil {
				out.ClientAuth, out.ClientCAs = tls.RequireAndVerifyClientCert, clients.Pool()
			}
			return out, nil
		},
	}, nil
}
