package announce

import (
	"errors"
	"fmt"
	"time"
)

// Config says how verdicts are signed, and how many may go out.
type Config struct {
	// KeyFile is the analyzer's Ed25519 private key, PKCS#8 in PEM.
	KeyFile string `mapstructure:"key_file"`
	// KeyID is the name of the key in the gateways' key set.
	KeyID string `mapstructure:"kid"`
	// Heartbeat is the time between two signs of life in a partition.
	Heartbeat time.Duration `mapstructure:"heartbeat"`
	// RevokesPerMinute is how many revokes and blocks may go out per tenant and
	// minute without a person; beyond it they are held and an alarm rises.
	// Cryptographic facts are exempt.
	RevokesPerMinute int `mapstructure:"revokes_per_minute"`
	// CatchUpAge is the age of an event, by its partition's clock, from which on
	// its verdict is no stronger than step_up, cryptographic facts excepted.
	CatchUpAge time.Duration `mapstructure:"catch_up_age"`
}

// DefaultConfig lacks only the key.
func DefaultConfig() Config {
	return Config{Heartbeat: time.Second, RevokesPerMinute: 60, CatchUpAge: time.Minute}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	if c.KeyFile == "" {
		errs = append(errs, errors.New("key_file: is required"))
	}
	if c.KeyID == "" {
		errs = append(errs, errors.New("kid: is required"))
	}
	if c.Heartbeat < beatGap || c.Heartbeat > time.Minute {
		errs = append(errs, fmt.Errorf("heartbeat: must be between %v and 1m, is %v", beatGap, c.Heartbeat))
	}
	if c.RevokesPerMinute < 1 {
		errs = append(errs, fmt.Errorf("revokes_per_minute: must be at least 1, is %d", c.RevokesPerMinute))
	}
	if c.CatchUpAge < time.Second {
		errs = append(errs, fmt.Errorf("catch_up_age: must be at least 1s, is %v", c.CatchUpAge))
	}
	return errors.Join(errs...)
}
