package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Config says where and how to listen.
type Config struct {
	// Address to listen on, host:port; port 0 picks a free one.
	Address string `mapstructure:"address"`
	// TLS is off where its certificate file is empty.
	TLS TLS `mapstructure:"tls"`
	// H2C also takes HTTP/2 without TLS from clients that start with it.
	H2C bool `mapstructure:"h2c"`
	// ProxyProtocol takes client addresses from load balancers.
	ProxyProtocol ProxyProtocol `mapstructure:"proxy_protocol"`
	// HeaderTimeout bounds the TLS handshake and a request's header.
	HeaderTimeout time.Duration `mapstructure:"header_timeout"`
	// BodyIdleTimeout bounds the pause between two pieces of an HTTP/1 request
	// body.
	BodyIdleTimeout time.Duration `mapstructure:"body_idle_timeout"`
	// IdleTimeout bounds the pause between two requests of a connection.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
	// DrainTimeout is what requests in flight get when the gateway stops.
	DrainTimeout time.Duration `mapstructure:"drain_timeout"`
	// HeaderBytesMax bounds a request's header.
	HeaderBytesMax int64 `mapstructure:"header_bytes_max"`
	// ConnectionsMax bounds the open connections; further ones are closed at once.
	ConnectionsMax int `mapstructure:"connections_max"`
}

// TLS is the server's certificate. Files are read again when they change.
type TLS struct {
	// CertFile holds the certificate chain in PEM; empty for no TLS.
	CertFile string `mapstructure:"cert_file"`
	// KeyFile holds its private key in PEM.
	KeyFile string `mapstructure:"key_file"`
	// MinVersion is 1.2 or 1.3; 1.2 where empty.
	MinVersion string `mapstructure:"min_version"`
	// ClientAuth asks clients for certificates: optional or required; empty asks
	// nobody.
	ClientAuth string `mapstructure:"client_auth"`
	// ClientCAFile holds the certificates in PEM of the authorities, the trust
	// bundle, to which a client's certificate must lead. It is read again when it
	// changes, for connections from then on.
	ClientCAFile string `mapstructure:"client_ca_file"`
}

// ProxyProtocol says from whom a PROXY header, version 1 or 2, is taken.
type ProxyProtocol struct {
	// Trusted are addresses or prefixes of load balancers. Empty: the protocol
	// is off. From anybody else a PROXY header ends the connection.
	Trusted []string `mapstructure:"trusted"`
	// Require ends connections of trusted peers that send no PROXY header.
	Require bool `mapstructure:"require"`
	// HeaderTimeout bounds the wait for the PROXY header.
	HeaderTimeout time.Duration `mapstructure:"header_timeout"`
}

// DefaultConfig listens on loopback without TLS.
func DefaultConfig() Config {
	return Config{
		Address:         "127.0.0.1:8080",
		ProxyProtocol:   ProxyProtocol{Require: true, HeaderTimeout: 3 * time.Second},
		HeaderTimeout:   10 * time.Second,
		BodyIdleTimeout: 30 * time.Second,
		IdleTimeout:     120 * time.Second,
		DrainTimeout:    30 * time.Second,
		HeaderBytesMax:  64 << 10,
		ConnectionsMax:  16384,
	}
}

// Validate reports every fault at once, each named by its key. It opens no file.
func (c Config) Validate() error {
	var errs []error
	_, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		errs = append(errs, fmt.Errorf("address: %q is not host:port", c.Address))
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		errs = append(errs, errors.New("tls: cert_file and key_file go together"))
	}
	if c.TLS.MinVersion != "" && c.TLS.MinVersion != "1.2" && c.TLS.MinVersion != "1.3" {
		errs = append(errs, fmt.Errorf(`tls.min_version: must be "1.2" or "1.3", is %q`, c.TLS.MinVersion))
	}
	errs = append(errs, c.TLS.faults()...)
	for i, p := range c.ProxyProtocol.Trusted {
		_, err := netip.ParsePrefix(p)
		_, err2 := netip.ParseAddr(p)
		if err != nil && err2 != nil {
			errs = append(errs, fmt.Errorf("proxy_protocol.trusted[%d]: %q is not an address or a prefix", i, p))
		}
	}
	for _, t := range []struct {
		key   string
		value time.Duration
	}{
		{"proxy_protocol.header_timeout", c.ProxyProtocol.HeaderTimeout},
		{"header_timeout", c.HeaderTimeout},
		{"body_idle_timeout", c.BodyIdleTimeout},
		{"idle_timeout", c.IdleTimeout},
		{"drain_timeout", c.DrainTimeout},
	} {
		if t.value <= 0 {
			errs = append(errs, fmt.Errorf("%s: must be positive, is %s: without it a slow client stays for ever", t.key, t.value))
		}
	}
	if c.HeaderBytesMax < 4<<10 || c.HeaderBytesMax > 1<<20 {
		errs = append(errs, fmt.Errorf("header_bytes_max: must be between 4 KiB and 1 MiB, is %d", c.HeaderBytesMax))
	}
	if c.ConnectionsMax < 1 {
		errs = append(errs, fmt.Errorf("connections_max: must be at least 1, is %d", c.ConnectionsMax))
	}
	return errors.Join(errs...)
}

// ranges returns the trusted peers as go-proxyproto reads them.
func (p ProxyProtocol) ranges() []string {
	out := make([]string, 0, len(p.Trusted))
	for _, s := range p.Trusted {
		out = append(out, strings.TrimSpace(s))
	}
	return out
}

// prefixes returns the trusted peers as they are compared with addresses.
func (p ProxyProtocol) prefixes() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range p.ranges() {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			a, _ := netip.ParseAddr(s) // Validated.
			prefix = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		out = append(out, prefix.Masked())
	}
	return out
}
