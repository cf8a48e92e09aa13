package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/vigil-gateway/vigil/gateway/upstream"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// UpstreamTLS says how one upstream is called over TLS. Its files are read
// again when they change, for new connections.
type UpstreamTLS struct {
	// Host is the upstream's host as routes name it, with its port where they
	// name one. Unique.
	Host string `mapstructure:"host"`
	// CAFile holds the certificates (PEM) that it is verified against.
	CAFile string `mapstructure:"ca_file"`
	// CertFile is the certificate chain (PEM) that the gateway shows it; empty for
	// none.
	CertFile string `mapstructure:"cert_file"`
	// KeyFile is the private key (PEM) of CertFile.
	KeyFile string `mapstructure:"key_file"`
	// Identity is who must answer: a SPIFFE id, or a DNS name that its
	// certificate must be valid for. Empty is Host.
	Identity string `mapstructure:"identity"`
}

// upstreamFaults reports what is wrong with a list, each fault named by its key.
func upstreamFaults(list []UpstreamTLS) []error {
	var errs []error
	seen := make(map[string]int, len(list))
	for i, u := range list {
		fault := func(field, format string, args ...any) {
			errs = append(errs, fmt.Errorf("upstream_tls[%d]."+field+": "+format, append([]any{i}, args...)...))
		}
		if u.Host == "" || strings.ContainsAny(u.Host, "/@ ") {
			fault("host", "%q is not host or host:port", u.Host)
		}
		first, dup := seen[strings.ToLower(u.Host)]
		if dup {
			fault("host", "%q is also that of upstream_tls[%d]", u.Host, first)
		}
		seen[strings.ToLower(u.Host)] = i
		if u.CAFile == "" {
			fault("ca_file", "is required: whom the system trusts is too many for one upstream")
		}
		if (u.CertFile == "") != (u.KeyFile == "") {
			fault("cert_file", "needs key_file, and the other way round")
		}
		if u.Identity != "" {
			err := tlsfile.CheckIdentity(u.Identity)
			if err != nil {
				fault("identity", "%w", err)
			}
		}
	}
	return errs
}

// transports are the clients for a set of upstreams; open is without a header
// timeout, for gRPC.
type transports struct{ plain, open *http.Transport }

func (p *Proxy) newTransports(trust *tls.Config) transports {
	return transports{plain: p.transport(trust, true), open: p.transport(trust, false)}
}

func (t transports) close() {
	t.plain.CloseIdleConnections()
	t.open.CloseIdleConnections()
}

// openTransports makes the clients. Certificate files are read now, so that a
// fault is told at the start.
func (p *Proxy) openTransports() error {
	trust, err := upstreamTLS(p.config.UpstreamCAFile)
	if err != nil {
		return fmt.Errorf("upstream_ca_file: %w", err)
	}
	p.tls, p.h2c = p.newTransports(trust), p.newTransports(nil)
	p.direct, err = upstream.New(upstream.Options{
		Dial:          (&net.Dialer{Timeout: p.config.DialTimeout, KeepAlive: keepAlive}).DialContext,
		HeaderTimeout: p.config.HeaderTimeout, HeaderBytesMax: p.config.HeaderBytesMax, ConnectionsMax: p.config.ConnectionsMax,
		IdleMax: idlePerUpstreamMax, IdleTimeout: idleConnection, Now: p.now,
	})
	if err != nil {
		return err //nolint:wrapcheck // Names its package.
	}
	for i, u := range p.config.UpstreamTLS {
		c, err := p.pinned(u)
		if err != nil {
			return fmt.Errorf("upstream_tls[%d]: %w", i, err)
		}
		p.pins[strings.ToLower(u.Host)] = p.newTransports(c)
	}
	return nil
}

// upstreamTLS trusts the certificates in a file, or the system's.
func upstreamTLS(caFile string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", caFile)
	}
	return c, nil
}

// pinned trusts one upstream by its own authorities and its own name. crypto/tls
// knows neither SPIFFE ids nor authorities that change, so the check is ours, in
// VerifyConnection, which runs on resumed connections too.
func (p *Proxy) pinned(u UpstreamTLS) (*tls.Config, error) {
	o := tlsfile.Options{Now: p.now, Changed: tlsfile.Logged(p.logger, "upstream "+u.Host)}
	bundle, err := tlsfile.OpenBundle(u.CAFile, o)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	identity := u.Identity
	if identity == "" {
		identity = hostOnly(u.Host)
	}
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it, against files that change.
		VerifyConnection:   func(s tls.ConnectionState) error { return bundle.VerifyServer(s, identity) },
	}
	if u.CertFile == "" {
		return c, nil
	}
	pair, err := tlsfile.OpenPair(u.CertFile, u.KeyFile, o)
	if err != nil {
		return nil, fmt.Errorf("cert_file: %w", err)
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.Certificate(), nil }
	return c, nil
}

// hostOnly is a host without its port.
func hostOnly(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		return host
	}
	return name
}

// transport returns a client for upstreams: no environment proxy, no redirects,
// no compression of its own. Without trust it speaks HTTP/2 without TLS.
func (p *Proxy) transport(trust *tls.Config, headerTimeout bool) *http.Transport {
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: p.config.DialTimeout, KeepAlive: keepAlive}).DialContext,
		TLSHandshakeTimeout:    p.config.HandshakeTimeout,
		MaxResponseHeaderBytes: p.config.HeaderBytesMax,
		MaxIdleConns:           4 * idlePerUpstreamMax,
		MaxIdleConnsPerHost:    idlePerUpstreamMax,
		MaxConnsPerHost:        p.config.ConnectionsMax,
		IdleConnTimeout:        idleConnection,
		ExpectContinueTimeout:  continueTimeout,
		DisableCompression:     true,
		Protocols:              new(http.Protocols),
	}
	if headerTimeout {
		t.ResponseHeaderTimeout = p.config.HeaderTimeout
	}
	if trust == nil {
		t.Protocols.SetUnencryptedHTTP2(true)
		return t
	}
	t.TLSClientConfig = trust.Clone() // Each transport adds its own protocols to it.
	t.Protocols.SetHTTP1(true)
	t.Protocols.SetHTTP2(true)
	return t
}

// send calls an upstream with the client that is meant for it.
func (p *Proxy) send(r *http.Request, to *url.URL, grpc bool) (*http.Response, error) {
	if to.Scheme == "http" && !grpc && p.direct.Takes(r) {
		res, err := p.direct.RoundTrip(r)
		// It has been sent, and by nobody else than this goroutine.
		if len(r.Header) <= headersKeepMax {
			clear(r.Header)
			p.headers.Put(r.Header)
		}
		r.Header = nil
		return res, err //nolint:wrapcheck // Classified by the only caller.
	}
	set := p.tls
	if to.Scheme == "h2c" {
		set = p.h2c
	}
	if len(p.pins) > 0 && to.Scheme == "https" {
		pin, pinned := p.pins[strings.ToLower(to.Host)]
		if pinned {
			set = pin
		}
	}
	t := set.plain
	if grpc {
		t = set.open
	}
	return t.RoundTrip(r) //nolint:wrapcheck // Classified by the only caller.
}

// errTooLong ends a response that is longer than the configuration allows.
var errTooLong = errors.New("response is too long")
