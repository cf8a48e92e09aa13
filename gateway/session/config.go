package session

import (
	"errors"
	"fmt"
)

// Config bounds a [Table].
type Config struct {
	// VerdictsMax is how many verdicts are kept. Beyond it the weakest of a
	// sample goes, and is counted.
	VerdictsMax int `mapstructure:"verdicts_max"`
	// VisitsMax is how many requests and streams may be open at once.
	VisitsMax int `mapstructure:"visits_max"`
	// VisitsPerSessionMax is how many of them one session may have.
	VisitsPerSessionMax int `mapstructure:"visits_per_session_max"`
}

// DefaultConfig is a configuration that is safe to run unchanged: half a
// million verdicts are about 150 MiB, 200,000 visits of as many sessions about 400 MiB.
func DefaultConfig() Config {
	return Config{VerdictsMax: 500_000, VisitsMax: 200_000, VisitsPerSessionMax: 1_000}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	for _, f := range []struct {
		key   string
		value int
	}{
		{"verdicts_max", c.VerdictsMax},
		{"visits_max", c.VisitsMax},
		{"visits_per_session_max", c.VisitsPerSessionMax},
	} {
		if f.value < 1 {
			errs = append(errs, fmt.Errorf("%s: must be at least 1, is %d", f.key, f.value))
		}
	}
	return errors.Join(errs...)
}
