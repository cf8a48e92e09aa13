package ingest

import (
	"errors"
	"fmt"
	"time"

	"github.com/vigil-gateway/vigil/schemas/seal"
)

// Config says how the analyzer reads vigil.requests.
type Config struct {
	// Group is the consumer group that shares the partitions among analyzers.
	Group string `mapstructure:"group"`
	// Heartbeat is the time between two signs of life to the group's coordinator.
	Heartbeat time.Duration `mapstructure:"heartbeat"`
	// SessionTimeout is after how long without one a member counts as dead, and
	// its partitions go to others. The broker has a lower limit of its own, 6s by default.
	SessionTimeout time.Duration `mapstructure:"session_timeout"`
	// RebalanceTimeout is how long a rebalance waits for members to finish.
	RebalanceTimeout time.Duration `mapstructure:"rebalance_timeout"`
	// FetchWait is how long the broker holds a read open when nothing is there.
	// It adds no latency: a record that arrives ends the wait.
	FetchWait time.Duration `mapstructure:"fetch_wait"`
	// FetchBytes is the most that one read asks for.
	FetchBytes int64 `mapstructure:"fetch_bytes"`
	// CommitEvery is the time between two commits of a partition's offset: what
	// a crash repeats at most.
	CommitEvery time.Duration `mapstructure:"commit_every"`
	// Drain is how long a worker may take to finish what it holds at the end.
	Drain time.Duration `mapstructure:"drain"`
	// Unsigned says what happens to records without a seal of gateways that the key set lists no key for: auto, accept, mark or refuse. auto accepts them until the first gateway has a key, and refuses them from then on. mark is for rolling keys out, until the last gateway has one: such records are scored for half of what they say, and nothing is learned from them. A gateway that has a key there is believed with its seal alone.
	Unsigned seal.Policy `mapstructure:"unsigned"`
}

// DefaultConfig is a configuration that is safe to run unchanged.
func DefaultConfig() Config {
	return Config{
		Group: "vigil-scoring", Heartbeat: 500 * time.Millisecond, SessionTimeout: 6 * time.Second, RebalanceTimeout: 10 * time.Second,
		FetchWait: 500 * time.Millisecond, FetchBytes: 1 << 20, CommitEvery: time.Second, Drain: 3 * time.Second, Unsigned: seal.Auto,
	}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	if c.Group == "" {
		errs = append(errs, errors.New("group: is required"))
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"heartbeat", c.Heartbeat},
		{"session_timeout", c.SessionTimeout},
		{"rebalance_timeout", c.RebalanceTimeout},
		{"fetch_wait", c.FetchWait},
		{"commit_every", c.CommitEvery},
		{"drain", c.Drain},
	} {
		if d.value < time.Millisecond || d.value > time.Hour {
			errs = append(errs, fmt.Errorf("%s: must be between 1ms and 1h, is %v", d.key, d.value))
		}
	}
	if c.Heartbeat*3 > c.SessionTimeout {
		errs = append(errs, fmt.Errorf("heartbeat: must be at most a third of session_timeout, is %v of %v", c.Heartbeat, c.SessionTimeout))
	}
	if c.Drain >= c.RebalanceTimeout {
		errs = append(errs, fmt.Errorf("drain: must be below rebalance_timeout, is %v of %v", c.Drain, c.RebalanceTimeout))
	}
	if c.FetchBytes < fetchBytesMin || c.FetchBytes > fetchBytesMax {
		errs = append(errs, fmt.Errorf("fetch_bytes: must be between %d and %d, is %d", fetchBytesMin, fetchBytesMax, c.FetchBytes))
	}
	err := c.Unsigned.Validate()
	if err != nil {
		errs = append(errs, fmt.Errorf("unsigned: %w", err))
	}
	return errors.Join(errs...)
}
