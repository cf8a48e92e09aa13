package admit

import (
	"errors"
	"fmt"
	"time"
)

// Config says how narrow a throttled target is held, and what a gateway does
// that does not know its verdicts.
type Config struct {
	// ThrottlePerMinute is how many requests a minute a throttled target has.
	ThrottlePerMinute int `mapstructure:"throttle_per_minute"`
	// ThrottleBurst is how many of them may come at once.
	ThrottleBurst int `mapstructure:"throttle_burst"`
	// NewcomerBurst is how many requests a session in use has at once from a
	// place, a network with a program in it, where it was not used before.
	NewcomerBurst int `mapstructure:"newcomer_burst"`
	// NewcomerHold is how long after the first of them those beyond wait, so that
	// the first can be judged; 0 lets all pass.
	NewcomerHold time.Duration `mapstructure:"newcomer_hold"`
	// FreshMax is how long ago a person may have signed in to satisfy the
	// posture step_up.
	FreshMax time.Duration `mapstructure:"fresh_max"`
	// ColdStartMax is how long a gateway that has not read all verdicts
	// refuses everything but public routes, before each route's posture applies.
	ColdStartMax time.Duration `mapstructure:"cold_start_max"`
}

// DefaultConfig is a configuration that is safe to run unchanged.
func DefaultConfig() Config {
	return Config{
		ThrottlePerMinute: 30, ThrottleBurst: 5, NewcomerBurst: 8, NewcomerHold: 250 * time.Millisecond,
		FreshMax: 5 * time.Minute, ColdStartMax: 10 * time.Second,
	}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	if c.ThrottlePerMinute < 1 {
		errs = append(errs, fmt.Errorf("throttle_per_minute: must be at least 1, is %d", c.ThrottlePerMinute))
	}
	if c.ThrottleBurst < 1 {
		errs = append(errs, fmt.Errorf("throttle_burst: must be at least 1, is %d", c.ThrottleBurst))
	}
	if c.NewcomerBurst < 1 {
		errs = append(errs, fmt.Errorf("newcomer_burst: must be at least 1, is %d", c.NewcomerBurst))
	}
	if c.NewcomerHold < 0 || c.NewcomerHold > newcomerHoldMax {
		errs = append(errs, fmt.Errorf("newcomer_hold: must be between 0 and %s, is %s", newcomerHoldMax, c.NewcomerHold))
	}
	if c.FreshMax <= 0 {
		errs = append(errs, fmt.Errorf("fresh_max: must be positive, is %s", c.FreshMax))
	}
	if c.ColdStartMax <= 0 {
		errs = append(errs, fmt.Errorf("cold_start_max: must be positive, is %s", c.ColdStartMax))
	}
	return errors.Join(errs...)
}
