package release

import (
	"errors"
	"fmt"
)

// Config bounds the responses that wait at once. One that finds no room does not
// wait: the route says what becomes of it.
type Config struct {
	// WaitingMax is how many responses may wait at once.
	WaitingMax int `mapstructure:"waiting_max"`
	// HeldBytesMax is how many bytes of them the gateway may have to hold meanwhile:
	// their headers, and what their upstreams may send before they are read, which over
	// HTTP/2 is 4 MiB of a response that does not say how long it is.
	HeldBytesMax int64 `mapstructure:"held_bytes_max"`
}

// DefaultConfig is a configuration that is safe to run unchanged: 4,096 responses
// that wait 10 ms each are 400,000 requests/s, 256 gRPC calls 25,000.
func DefaultConfig() Config { return Config{WaitingMax: 4096, HeldBytesMax: 1 << 30} }

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	if c.WaitingMax < 1 || c.WaitingMax > WaitingLimit {
		errs = append(errs, fmt.Errorf("waiting_max: must be between 1 and %d, is %d", WaitingLimit, c.WaitingMax))
	}
	if c.HeldBytesMax < 64<<10 || c.HeldBytesMax > HeldBytesLimit {
		errs = append(errs, fmt.Errorf("held_bytes_max: must be between %d and %d, is %d", 64<<10, int64(HeldBytesLimit), c.HeldBytesMax))
	}
	return errors.Join(errs...)
}
