package revoke

import (
	"errors"
	"fmt"
	"time"
)

// Config says how verdicts are followed and kept.
type Config struct {
	// Dir is the directory of the verdict file; it is made if it is missing.
	Dir string `mapstructure:"dir"`
	// VerdictsMax is how many verdicts are kept; more are enforced but not remembered.
	VerdictsMax int `mapstructure:"verdicts_max"`
	// FileBytesMax is how large the verdict file may grow; live verdicts may take half of it.
	FileBytesMax int64 `mapstructure:"file_bytes_max"`
	// PollWait is how long an idle poll stays with the broker; a verdict ends it at once.
	PollWait time.Duration `mapstructure:"poll_wait"`
	// RequestTimeout bounds an answer that does not come, so that a silent broker is noticed.
	RequestTimeout time.Duration `mapstructure:"request_timeout"`
	// RetryMin and RetryMax bound the jittered pause after an error.
	RetryMin time.Duration `mapstructure:"retry_min"`
	// RetryMax is the longest pause after an error.
	RetryMax time.Duration `mapstructure:"retry_max"`
	// Fuse bounds how many sessions the analyzer's verdicts may end here.
	Fuse Fuse `mapstructure:"fuse"`
}

// DefaultConfig is a configuration that is safe to run once Dir is set.
func DefaultConfig() Config {
	return Config{
		VerdictsMax:    1_000_000,
		FileBytesMax:   2 << 30,
		PollWait:       500 * time.Millisecond,
		RequestTimeout: 5 * time.Second,
		RetryMin:       10 * time.Millisecond,
		RetryMax:       250 * time.Millisecond,
		Fuse:           Fuse{Share: 0.25, Least: 100, Window: 10 * time.Minute},
	}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("dir: must be set: verdicts have to survive a restart"))
	}
	if c.VerdictsMax < 1 || c.VerdictsMax > VerdictsLimit {
		errs = append(errs, fmt.Errorf("verdicts_max: must be between 1 and %d, is %d", VerdictsLimit, c.VerdictsMax))
	}
	if c.FileBytesMax < 4<<10 || c.FileBytesMax > FileBytesLimit {
		errs = append(errs, fmt.Errorf("file_bytes_max: must be between %d and %d, is %d", 4<<10, int64(FileBytesLimit), c.FileBytesMax))
	}
	lasts := func(key string, v, low, high time.Duration) {
		if v < low || v > high {
			errs = append(errs, fmt.Errorf("%s: must be between %v and %v, is %v", key, low, high, v))
		}
	}
	lasts("request_timeout", c.RequestTimeout, 100*time.Millisecond, 10*time.Second)
	lasts("poll_wait", c.PollWait, 10*time.Millisecond, c.RequestTimeout/2)
	lasts("retry_min", c.RetryMin, time.Millisecond, c.RetryMax)
	lasts("retry_max", c.RetryMax, time.Millisecond, time.Minute)
	return errors.Join(append(errs, c.Fuse.validate())...)
}
