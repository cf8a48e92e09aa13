package epochs

import (
	"errors"
	"fmt"
	"time"

	"github.com/vigil-gateway/vigil/scorer/epoch"
)

// Config says how often what partitions share is renewed.
type Config struct {
	// Every is after how much stream time a tenant's next shared epoch is built, at
	// least 13h.
	Every time.Duration `mapstructure:"every"`
	// Wait is how long a partition waits for an epoch that it is told of, before it
	// stops.
	Wait time.Duration `mapstructure:"wait"`
}

// DefaultConfig is safe to run unchanged.
func DefaultConfig() Config { return Config{Every: epoch.Every, Wait: 30 * time.Second} }

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	if c.Every < everyLeast {
		errs = append(errs, fmt.Errorf("every: must be at least %v, is %v", everyLeast, c.Every))
	}
	if c.Wait <= 0 || c.Wait > time.Hour {
		errs = append(errs, fmt.Errorf("wait: must be above 0 and at most 1h, is %v", c.Wait))
	}
	return errors.Join(errs...)
}
