package spool

import (
	"errors"
	"fmt"
	"time"
)

// Config says where the spool is, how large it may grow and how much a power
// loss may take.
type Config struct {
	// Dir is the spool's folder, which belongs to one gateway alone; it is made if it is missing. Where empty it is the folder spool in revoke.dir.
	Dir string `mapstructure:"dir"`
	// BytesMax is how large its files may grow; beyond it the oldest plain reads give way first.
	BytesMax int64 `mapstructure:"bytes_max"`
	// SegmentBytes is the size of one file; space is taken and given back in such pieces.
	SegmentBytes int64 `mapstructure:"segment_bytes"`
	// AgeMax is how long an event may wait for Kafka before it is given up and counted.
	AgeMax time.Duration `mapstructure:"age_max"`
	// CommitInterval is how often what was written is synced, off the requests' path: what a power loss may take.
	CommitInterval time.Duration `mapstructure:"commit_interval"`
	// StrictWaitMax is how long a request of a strict route waits for the disk before it is refused.
	StrictWaitMax time.Duration `mapstructure:"strict_wait_max"`
	// InFlightMax is of how many requests under way a crash leaves an event, a quarter of them for strict routes alone; more are served and counted, and refused on strict routes.
	InFlightMax int `mapstructure:"in_flight_max"`
}

// DefaultConfig is a configuration that is safe to run once Dir is set. 1 GiB
// holds about 1.4 million events: five minutes of Kafka's absence at 5,000
// requests/s.
func DefaultConfig() Config {
	return Config{
		BytesMax: 1 << 30, SegmentBytes: 4 << 20, AgeMax: 72 * time.Hour,
		CommitInterval: 5 * time.Millisecond, StrictWaitMax: time.Second, InFlightMax: 8192,
	}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	within := func(key string, v, low, high int64) {
		if v < low || v > high {
			errs = append(errs, fmt.Errorf("%s: must be between %d and %d, is %d", key, low, high, v))
		}
	}
	lasts := func(key string, v, low, high time.Duration) {
		if v < low || v > high {
			errs = append(errs, fmt.Errorf("%s: must be between %v and %v, is %v", key, low, high, v))
		}
	}
	within("segment_bytes", c.SegmentBytes, SegmentBytesMin, SegmentBytesLimit)
	within("bytes_max", c.BytesMax, segmentsMin*max(c.SegmentBytes, SegmentBytesMin), SizeBytesLimit)
	within("in_flight_max", int64(c.InFlightMax), 0, InFlightLimit)
	lasts("age_max", c.AgeMax, time.Second, 365*24*time.Hour)
	lasts("commit_interval", c.CommitInterval, time.Millisecond, CommitIntervalLimit)
	lasts("strict_wait_max", c.StrictWaitMax, time.Millisecond, StrictWaitLimit)
	return errors.Join(errs...)
}
