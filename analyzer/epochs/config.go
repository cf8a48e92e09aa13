package epochs

import (
	"errors"
	"fmt"
	"time"

	"github.com/vigil-gateway/vigil/scorer/epoch"
)

// Ways of putting an epoch in force.
const (
	// Automatic puts each epoch in force as soon as it is built.
	Automatic = "automatic"
	// Manual leaves that to a person: what is built is a candidate.
	Manual = "manual"
)

// Config says how often what partitions share is renewed, and who puts it in force.
type Config struct {
	// Every is after how much stream time a tenant's next shared epoch is built, at
	// least 13h.
	Every time.Duration `mapstructure:"every"`
	// Promotion is automatic, where each epoch is put in force as soon as it is built,
	// or manual, where it is a candidate until somebody says "vigil epoch promote".
	// Automatic suits an installation that nobody looks after: without any epoch less
	// is seen. Manual suits one that must account for what scores.
	Promotion string `mapstructure:"promotion"`
	// Wait is how long a partition waits for an epoch that it is told of, before it
	// stops.
	Wait time.Duration `mapstructure:"wait"`
}

// DefaultConfig is safe to run unchanged.
func DefaultConfig() Config {
	return Config{Every: epoch.Every, Promotion: Automatic, Wait: 30 * time.Second}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	if c.Every < everyLeast {
		errs = append(errs, fmt.Errorf("every: must be at least %v, is %v", everyLeast, c.Every))
	}
	if c.Promotion != Automatic && c.Promotion != Manual {
		errs = append(errs, fmt.Errorf("promotion: must be %s or %s, is %q", Automatic, Manual, c.Promotion))
	}
	if c.Wait <= 0 || c.Wait > time.Hour {
		errs = append(errs, fmt.Errorf("wait: must be above 0 and at most 1h, is %v", c.Wait))
	}
	return errors.Join(errs...)
}
