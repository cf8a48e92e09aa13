package state

import (
	"errors"
	"fmt"
	"time"
)

// Config says where and how often state is kept.
type Config struct {
	// Dir holds one folder per topic and in it two files per partition. Empty
	// keeps no state: a restart replays the retained topic.
	Dir string `mapstructure:"dir"`
	// WarmStart is a file written by "vigil score --state": history that a
	// partition starts from when it has no state of its own.
	WarmStart string `mapstructure:"warm_start"`
	// Every is the longest time between two saves of a partition that moves.
	Every time.Duration `mapstructure:"every"`
	// Records is the largest number of records between two saves of a partition.
	Records int64 `mapstructure:"records"`
	// Replay is how far back a partition without any state reads the topic
	// again to rebuild it, by the records' broker time. 0 reads all that is retained.
	Replay time.Duration `mapstructure:"replay"`
}

// DefaultConfig keeps no state until a folder is named.
func DefaultConfig() Config {
	return Config{Every: 30 * time.Second, Records: 1_000_000, Replay: 6 * time.Hour}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	if c.Every <= 0 {
		errs = append(errs, fmt.Errorf("every: must be above 0, is %v", c.Every))
	}
	if c.Records < 1 {
		errs = append(errs, fmt.Errorf("records: must be at least 1, is %d", c.Records))
	}
	if c.Replay < 0 {
		errs = append(errs, fmt.Errorf("replay: must not be negative, is %v", c.Replay))
	}
	return errors.Join(errs...)
}
