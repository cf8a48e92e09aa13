package state

import (
	"errors"
	"fmt"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/state/cold"
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
	// ArchiveEvery is the least time between two snapshots of a partition in
	// ClickHouse, where other analyzers find them. 0 writes and reads none there.
	ArchiveEvery time.Duration `mapstructure:"archive_every"`
	// ArchiveWait is how long a partition that begins waits for each answer of
	// ClickHouse before it does without.
	ArchiveWait time.Duration `mapstructure:"archive_wait"`
	// ColdBytes bounds what is kept on disk, for each partition, of subjects, sessions
	// and addresses for which the model's limits leave no room in memory; the oldest
	// make room. Files take up to twice as much. 0 keeps none: who is pushed out is
	// forgotten.
	ColdBytes int64 `mapstructure:"cold_bytes"`
}

// DefaultConfig keeps no state on disk until a folder is named.
func DefaultConfig() Config {
	return Config{
		Every: 30 * time.Second, Records: 1_000_000, Replay: 6 * time.Hour,
		ArchiveEvery: 5 * time.Minute, ArchiveWait: 2 * time.Second, ColdBytes: 256 << 20,
	}
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
	if c.ArchiveEvery != 0 && (c.ArchiveEvery < time.Second || c.ArchiveEvery > 24*time.Hour) {
		errs = append(errs, fmt.Errorf("archive_every: must be 0 or between 1s and 24h, is %v", c.ArchiveEvery))
	}
	if c.ArchiveEvery != 0 && (c.ArchiveWait < time.Millisecond || c.ArchiveWait > waitMax) {
		errs = append(errs, fmt.Errorf("archive_wait: must be between 1ms and %v, is %v", waitMax, c.ArchiveWait))
	}
	if c.ColdBytes != 0 && (c.ColdBytes < cold.BytesLeast || c.ColdBytes > cold.BytesMost) {
		errs = append(errs, fmt.Errorf("cold_bytes: must be 0 or between %d and %d, is %d", cold.BytesLeast, cold.BytesMost, c.ColdBytes))
	}
	return errors.Join(errs...)
}
