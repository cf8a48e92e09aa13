package announce

import (
	"errors"
	"fmt"
	"time"
)

// Config says how verdicts are signed, and how many may go out.
type Config struct {
	// KeyFile holds the analyzer's Ed25519 private keys, PKCS#8 in PEM, the newest
	// last. The key set says which of them signs, and under which id.
	KeyFile string `mapstructure:"key_file"`
	// KeyID has no effect any more: the key set names the keys.
	KeyID string `mapstructure:"kid"`
	// Heartbeat is the time between two signs of life in a partition.
	Heartbeat time.Duration `mapstructure:"heartbeat"`
	// RevokesPerMinute is how many revokes and blocks may go out per tenant and
	// minute without a person; beyond it they are held and an alarm rises.
	// Cryptographic facts are exempt.
	RevokesPerMinute int `mapstructure:"revokes_per_minute"`
	// BlastRadius is how many sessions automatic verdicts may end.
	BlastRadius BlastRadius `mapstructure:"blast_radius"`
	// CatchUpAge is the age of an event, by its partition's clock, from which on
	// its verdict is no stronger than step_up, cryptographic facts excepted.
	CatchUpAge time.Duration `mapstructure:"catch_up_age"`
}

// BlastRadius is how many sessions automatic verdicts may end, per tenant and
// group of evidence. Beyond it they are held until a person releases them, and
// an alarm rises. Cryptographic facts are exempt.
type BlastRadius struct {
	// Share is the share of the active sessions, above 0 and at most 1.
	Share float64 `mapstructure:"share"`
	// Least is how many may always be ended, at least 1.
	Least int `mapstructure:"least"`
	// Window is how long an end counts.
	Window time.Duration `mapstructure:"window"`
}

// DefaultConfig lacks only the key.
func DefaultConfig() Config {
	return Config{Heartbeat: time.Second, RevokesPerMinute: 60, CatchUpAge: time.Minute, BlastRadius: BlastRadius{Share: 0.05, Least: 20, Window: 10 * time.Minute}}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	if c.KeyFile == "" {
		errs = append(errs, errors.New("key_file: is required"))
	}
	if c.Heartbeat < beatGap || c.Heartbeat > time.Minute {
		errs = append(errs, fmt.Errorf("heartbeat: must be between %v and 1m, is %v", beatGap, c.Heartbeat))
	}
	if c.RevokesPerMinute < 1 {
		errs = append(errs, fmt.Errorf("revokes_per_minute: must be at least 1, is %d", c.RevokesPerMinute))
	}
	if !(c.BlastRadius.Share > 0 && c.BlastRadius.Share <= 1) {
		errs = append(errs, fmt.Errorf("blast_radius.share: must be above 0 and at most 1, is %g", c.BlastRadius.Share))
	}
	if c.BlastRadius.Least < 1 {
		errs = append(errs, fmt.Errorf("blast_radius.least: must be at least 1, is %d", c.BlastRadius.Least))
	}
	if c.BlastRadius.Window < time.Second || c.BlastRadius.Window > 24*time.Hour {
		errs = append(errs, fmt.Errorf("blast_radius.window: must be between 1s and 24h, is %v", c.BlastRadius.Window))
	}
	if c.CatchUpAge < time.Second {
		errs = append(errs, fmt.Errorf("catch_up_age: must be at least 1s, is %v", c.CatchUpAge))
	}
	return errors.Join(errs...)
}
