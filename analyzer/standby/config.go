package standby

import (
	"errors"
	"fmt"
	"time"
)

// Config says whether an analyzer is a standby, and what it may spend on it.
type Config struct {
	// Workers makes this process a standby: it gets partitions only while fewer than so
	// many other analyzers work, and keeps copies of their state on its disk meanwhile.
	// 0 makes it none. Where all analyzers have the same number, so many work and the
	// others wait.
	Workers int `mapstructure:"workers"`
	// Every is the time between two looks for newer snapshots in ClickHouse.
	Every time.Duration `mapstructure:"every"`
	// BytesMax bounds what the state files of all partitions take on this disk. What
	// does not fit is not copied.
	BytesMax int64 `mapstructure:"bytes_max"`
	// BytesPerSecond bounds how many bytes a second are copied. ClickHouse drops a snapshot when
	// two newer ones are there: a copy must not take longer than state.archive_every.
	BytesPerSecond int64 `mapstructure:"bytes_per_second"`
}

// DefaultConfig is no standby.
func DefaultConfig() Config {
	return Config{Every: 30 * time.Second, BytesMax: 64 << 30, BytesPerSecond: 64 << 20}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	if c.Workers < 0 || c.Workers > WorkersMax {
		errs = append(errs, fmt.Errorf("workers: must be between 0 and %d, is %d", WorkersMax, c.Workers))
	}
	if c.Every < everyLeast || c.Every > everyMost {
		errs = append(errs, fmt.Errorf("every: must be between %v and %v, is %v", everyLeast, everyMost, c.Every))
	}
	if c.BytesMax < bytesMin {
		errs = append(errs, fmt.Errorf("bytes_max: must be at least %d, is %d", bytesMin, c.BytesMax))
	}
	if c.BytesPerSecond < rateMin {
		errs = append(errs, fmt.Errorf("bytes_per_second: must be at least %d, is %d", rateMin, c.BytesPerSecond))
	}
	return errors.Join(errs...)
}
