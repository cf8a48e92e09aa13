package proxy

import (
	"errors"
	"fmt"
	"time"
)

// Config says how upstreams are called and when a request counts as a stream.
type Config struct {
	// DialTimeout bounds the connection to an upstream, its TLS handshake apart.
	DialTimeout time.Duration `mapstructure:"dial_timeout"`
	// HandshakeTimeout bounds the TLS handshake with an upstream.
	HandshakeTimeout time.Duration `mapstructure:"handshake_timeout"`
	// HeaderTimeout bounds the wait for an upstream's response header once the
	// request is sent; gRPC calls are exempt, since a server may stay silent
	// until its first message.
	HeaderTimeout time.Duration `mapstructure:"header_timeout"`
	// HeaderBytesMax bounds an upstream's response header.
	HeaderBytesMax int64 `mapstructure:"header_bytes_max"`
	// BodyBytesMax bounds a request's body; 0 is without limit.
	BodyBytesMax int64 `mapstructure:"body_bytes_max"`
	// ConnectionsMax bounds the connections to one upstream. It is well above what one
	// address may have open (guard.requests_max), so that nobody can take them all.
	ConnectionsMax int `mapstructure:"connections_max"`
	// IdleTimeout ends a stream on which nothing has moved for so long.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
	// LongAfter is how long a request lasts before it counts as a stream and
	// its progress is reported.
	LongAfter time.Duration `mapstructure:"long_after"`
	// LongBytes is how many bytes it moves before it does. A response that
	// announces as many is reported before its first byte is sent.
	LongBytes int64 `mapstructure:"long_bytes"`
	// LongHold is how long the first byte of such a response is held back where
	// the route is not public, so that a verdict on what it announces comes before
	// it; 0 holds nothing back.
	LongHold time.Duration `mapstructure:"long_hold"`
	// TickEvery is how often a stream's progress is reported; every fourth time
	// where nothing has moved.
	TickEvery time.Duration `mapstructure:"tick_every"`
	// TickBytes is after how many bytes it is reported as well. Before there were
	// as many, it is whenever their number has doubled.
	TickBytes int64 `mapstructure:"tick_bytes"`
	// GoodbyeTimeout bounds how long a cut may take to tell a slow client why.
	GoodbyeTimeout time.Duration `mapstructure:"goodbye_timeout"`
	// ResponseBytesMax bounds a response's body; 0 is without limit. A longer one
	// is broken off.
	ResponseBytesMax int64 `mapstructure:"response_bytes_max"`
	// UpstreamCAFile holds the certificates (PEM) that upstreams are verified
	// against; empty takes the system's.
	UpstreamCAFile string `mapstructure:"upstream_ca_file"`
	// UpstreamTLS names upstreams that are called with a certificate, or that
	// must be somebody in particular.
	UpstreamTLS []UpstreamTLS `mapstructure:"upstream_tls"`
	// StripHeaders are request headers that upstreams trust and clients must
	// not send, beside those that are always stripped.
	StripHeaders []string `mapstructure:"strip_headers"`
}

// DefaultConfig is a configuration that is safe to run unchanged.
func DefaultConfig() Config {
	return Config{
		DialTimeout:      5 * time.Second,
		HandshakeTimeout: 5 * time.Second,
		HeaderTimeout:    60 * time.Second,
		HeaderBytesMax:   64 << 10,
		BodyBytesMax:     10 << 30,
		ConnectionsMax:   16_384,
		IdleTimeout:      time.Hour,
		LongAfter:        time.Second,
		LongBytes:        1 << 20,
		LongHold:         200 * time.Millisecond,
		TickEvery:        5 * time.Second,
		TickBytes:        8 << 20,
		GoodbyeTimeout:   500 * time.Millisecond,
	}
}

// Validate reports every fault at once, each named by its key. It opens no file.
func (c Config) Validate() error {
	var errs []error
	for _, f := range []struct {
		key   string
		value time.Duration
	}{
		{"dial_timeout", c.DialTimeout},
		{"handshake_timeout", c.HandshakeTimeout},
		{"header_timeout", c.HeaderTimeout},
		{"idle_timeout", c.IdleTimeout},
		{"long_after", c.LongAfter},
		{"tick_every", c.TickEvery},
		{"goodbye_timeout", c.GoodbyeTimeout},
	} {
		if f.value <= 0 {
			errs = append(errs, fmt.Errorf("%s: must be positive, is %s", f.key, f.value))
		}
	}
	for _, f := range []struct {
		key   string
		value int64
	}{
		{"header_bytes_max", c.HeaderBytesMax},
		{"connections_max", int64(c.ConnectionsMax)},
		{"long_bytes", c.LongBytes},
		{"tick_bytes", c.TickBytes},
	} {
		if f.value < 1 {
			errs = append(errs, fmt.Errorf("%s: must be at least 1, is %d", f.key, f.value))
		}
	}
	if c.LongHold < 0 || c.LongHold > longHoldMax {
		errs = append(errs, fmt.Errorf("long_hold: must be between 0 and %s, is %s", longHoldMax, c.LongHold))
	}
	if c.BodyBytesMax < 0 {
		errs = append(errs, fmt.Errorf("body_bytes_max: must not be negative, is %d", c.BodyBytesMax))
	}
	if c.ResponseBytesMax < 0 {
		errs = append(errs, fmt.Errorf("response_bytes_max: must not be negative, is %d", c.ResponseBytesMax))
	}
	for i, h := range c.StripHeaders {
		if h == "" {
			errs = append(errs, fmt.Errorf("strip_headers[%d]: is empty", i))
		}
	}
	errs = append(errs, upstreamFaults(c.UpstreamTLS)...)
	return errors.Join(errs...)
}
