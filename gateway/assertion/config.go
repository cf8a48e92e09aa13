package assertion

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

const (
	ttlMost  = 10 * time.Minute
	ttlLeast = 10 * time.Second
	// keysMax bounds the keys of a set.
	keysMax = 8
	// rememberedMax bounds the assertions that may be used again; beyond it each
	// request has one of its own.
	rememberedMax = 64 << 10
)

// Config says who signs assertions. Without key files there are none.
type Config struct {
	// Issuer is the "iss" of assertions: an https URL by which upstreams know
	// the gateway. It need not be reachable.
	Issuer string `mapstructure:"issuer"`
	// KeyFiles hold private keys (PKCS #8 in PEM): Ed25519 or ECDSA P-256. The
	// first signs, all are published.
	KeyFiles []string `mapstructure:"key_files"`
	// TTL is how long an assertion is valid; at least 10 s, at most 10 min.
	TTL time.Duration `mapstructure:"ttl"`
}

// DefaultConfig makes no assertions.
func DefaultConfig() Config { return Config{TTL: time.Minute} }

// Validate reports every fault at once, each named by its key. It opens no file.
func (c Config) Validate() error {
	var errs []error
	if c.TTL < ttlLeast || c.TTL > ttlMost {
		errs = append(errs, fmt.Errorf("ttl: must be between %s and %s, is %s", ttlLeast, ttlMost, c.TTL))
	}
	if len(c.KeyFiles) > keysMax {
		errs = append(errs, fmt.Errorf("key_files: at most %d are allowed, there are %d", keysMax, len(c.KeyFiles)))
	}
	for i, f := range c.KeyFiles {
		if f == "" {
			errs = append(errs, fmt.Errorf("key_files[%d]: is empty", i))
		}
	}
	if len(c.KeyFiles) > 0 {
		u, err := url.Parse(c.Issuer)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			errs = append(errs, fmt.Errorf("issuer: must be an https URL without query, fragment and user, is %q", c.Issuer))
		}
	} else if c.Issuer != "" {
		errs = append(errs, errors.New("issuer: without key_files nothing is signed"))
	}
	return errors.Join(errs...)
}
