package emit

import (
	"errors"
	"fmt"
	"time"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
)

// Config says how much may wait for Kafka, and how it is sent.
type Config struct {
	// QueueRecordsMax is how many events may wait, in flight included; the newest is dropped beyond it.
	QueueRecordsMax int64 `mapstructure:"queue_records_max"`
	// QueueBytesMax is how many bytes of events may wait, in flight included.
	QueueBytesMax int64 `mapstructure:"queue_bytes_max"`
	// EnforcementsMax is how many enforcements may wait; they have a queue of their own.
	EnforcementsMax int64 `mapstructure:"enforcements_max"`
	// BatchRecordsMax is how many records one produce request may carry.
	BatchRecordsMax int `mapstructure:"batch_records_max"`
	// BatchBytesMax is how many bytes one produce request may carry; below the broker's message.max.bytes.
	BatchBytesMax int64 `mapstructure:"batch_bytes_max"`
	// Linger is how long a batch waits for company. It is part of every verdict's latency; 0 sends at once.
	Linger time.Duration `mapstructure:"linger"`
	// ProduceTimeout bounds one attempt, so that a silent broker is noticed.
	ProduceTimeout time.Duration `mapstructure:"produce_timeout"`
	// RetryMin and RetryMax bound the jittered pause between attempts.
	RetryMin time.Duration `mapstructure:"retry_min"`
	// RetryMax is the longest pause between attempts.
	RetryMax time.Duration `mapstructure:"retry_max"`
	// Tick is how often each lane says that the gateway is alive; it drives the stream clock.
	Tick time.Duration `mapstructure:"tick"`
	// Drain is how long a stopping gateway goes on sending what is queued.
	Drain time.Duration `mapstructure:"drain"`
	// KeyFile is the Ed25519 key, PKCS#8 in PEM, that seals what this gateway writes; the key set lists its public half with class gateway and this gateway's id. Empty seals nothing.
	KeyFile string `mapstructure:"key_file"`
	// Spool keeps events on disk until Kafka has them.
	Spool spool.Config `mapstructure:"spool"`
}

// DefaultConfig is a configuration that is safe to run unchanged. 50,000
// events of 600 B are 30 MB: ten seconds of Kafka's absence at 5,000
// requests/s.
func DefaultConfig() Config {
	return Config{
		QueueRecordsMax: 50_000,
		QueueBytesMax:   64 << 20,
		EnforcementsMax: 10_000,
		BatchRecordsMax: 500,
		BatchBytesMax:   512 << 10,
		Linger:          2 * time.Millisecond,
		ProduceTimeout:  5 * time.Second,
		RetryMin:        20 * time.Millisecond,
		RetryMax:        time.Second,
		Tick:            time.Second,
		Drain:           5 * time.Second,
		Spool:           spool.DefaultConfig(),
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
	within("queue_records_max", c.QueueRecordsMax, 1, QueueRecordsLimit)
	within("queue_bytes_max", c.QueueBytesMax, 64<<10, QueueBytesLimit)
	within("enforcements_max", c.EnforcementsMax, 1, QueueRecordsLimit)
	within("batch_records_max", int64(c.BatchRecordsMax), 1, BatchRecordsLimit)
	within("batch_bytes_max", c.BatchBytesMax, 1<<10, BatchBytesLimit)
	lasts("linger", c.Linger, 0, LingerLimit)
	lasts("produce_timeout", c.ProduceTimeout, 100*time.Millisecond, ProduceTimeoutLimit)
	lasts("retry_min", c.RetryMin, time.Millisecond, c.RetryMax)
	lasts("retry_max", c.RetryMax, time.Millisecond, time.Minute)
	lasts("tick", c.Tick, 10*time.Millisecond, time.Minute)
	lasts("drain", c.Drain, 0, time.Minute)
	var faults interface{ Unwrap() []error }
	if errors.As(c.Spool.Validate(), &faults) {
		for _, fault := range faults.Unwrap() {
			errs = append(errs, fmt.Errorf("spool.%w", fault))
		}
	}
	return errors.Join(errs...)
}
