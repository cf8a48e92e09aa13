package store

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"time"

	schema "github.com/vigil-gateway/vigil/schemas/clickhouse"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// Protocols that a ClickHouse is spoken to with.
const (
	ProtocolNative = "native"
	ProtocolHTTP   = "http"
)

// Config says where the topics and ClickHouse are and how rows are batched.
type Config struct {
	// Brokers are the addresses of Kafka, as host:port.
	Brokers []string `mapstructure:"brokers"`
	// Group is the storing consumer group.
	Group string `mapstructure:"group"`
	// Addresses are ClickHouse's, as host:port; the first that answers is used.
	Addresses []string `mapstructure:"addresses"`
	// Protocol is native or http; the embedded engine speaks http alone.
	Protocol string `mapstructure:"protocol"`
	// Database holds the tables; migrating makes it.
	Database string `mapstructure:"database"`
	// Migrate makes the database and applies pending migrations before the first
	// insert. Where the user may not, "vigil migrate" does it with another one.
	Migrate bool `mapstructure:"migrate"`
	// Replicated says that the tables are replicas, by ClickHouse Keeper: migrations
	// make them so, and an insert counts once most replicas have it.
	Replicated bool `mapstructure:"replicated"`
	// Cluster is the cluster whose every node migrations change; it needs replicated.
	Cluster string `mapstructure:"cluster"`
	// Username is ClickHouse's user; empty is its default user.
	Username string `mapstructure:"username"`
	// PasswordFile holds the user's password; a line end at its end is ignored. Only
	// its owner and group may be able to read it.
	PasswordFile string `mapstructure:"password_file"`
	// TLS secures the connections, of either protocol; without ca_file they are
	// plain text.
	TLS tlsfile.Client `mapstructure:"tls"`
	// Linger is how long a cut waits to fill.
	Linger time.Duration `mapstructure:"linger"`
	// RecordsMax is how many records end a cut.
	RecordsMax int `mapstructure:"records_max"`
	// BatchBytes is how many bytes of records end a cut.
	BatchBytes int64 `mapstructure:"batch_bytes"`
	// InsertTimeout bounds one try of an insert; after tries that took longer, four
	// times as much does, and later cuts are smaller.
	InsertTimeout time.Duration `mapstructure:"insert_timeout"`
	// RetryMax is the longest pause between two tries.
	RetryMax time.Duration `mapstructure:"retry_max"`
	// Heartbeat is the time between two signs of life to the group's coordinator.
	Heartbeat time.Duration `mapstructure:"heartbeat"`
	// SessionTimeout is after how long without one a member counts as dead.
	SessionTimeout time.Duration `mapstructure:"session_timeout"`
	// RebalanceTimeout is how long a rebalance waits for members to finish.
	RebalanceTimeout time.Duration `mapstructure:"rebalance_timeout"`
}

// DefaultConfig is a configuration that is safe to run unchanged against
// servers on this machine.
func DefaultConfig() Config {
	return Config{
		Brokers: []string{"127.0.0.1:9092"}, Group: "vigil-storing",
		Addresses: []string{"127.0.0.1:9000"}, Protocol: ProtocolNative, Database: "vigil", Migrate: true,
		Linger: time.Second, RecordsMax: 20_000, BatchBytes: 16 << 20,
		InsertTimeout: 30 * time.Second, RetryMax: 10 * time.Second,
		Heartbeat: 500 * time.Millisecond, SessionTimeout: 6 * time.Second, RebalanceTimeout: 10 * time.Second,
	}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	errs := []error{c.ValidateClickHouse()}
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("brokers: at least one is required"))
	}
	errs = append(errs, addresses("brokers", c.Brokers))
	if c.Group == "" {
		errs = append(errs, errors.New("group: is required"))
	}
	if c.RecordsMax < 1 || c.RecordsMax > RecordsMax {
		errs = append(errs, fmt.Errorf("records_max: must be 1 to %d, is %d", RecordsMax, c.RecordsMax))
	}
	if c.BatchBytes < fetchBytes || c.BatchBytes > BatchBytesMax {
		errs = append(errs, fmt.Errorf("batch_bytes: must be %d to %d, is %d", fetchBytes, BatchBytesMax, c.BatchBytes))
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"linger", c.Linger},
		{"insert_timeout", c.InsertTimeout},
		{"retry_max", c.RetryMax},
		{"heartbeat", c.Heartbeat},
		{"session_timeout", c.SessionTimeout},
		{"rebalance_timeout", c.RebalanceTimeout},
	} {
		if d.value < time.Millisecond || d.value > time.Hour {
			errs = append(errs, fmt.Errorf("%s: must be 1ms to 1h, is %v", d.key, d.value))
		}
	}
	if c.Heartbeat*3 > c.SessionTimeout {
		errs = append(errs, fmt.Errorf("heartbeat: must be at most a third of session_timeout, is %v of %v", c.Heartbeat, c.SessionTimeout))
	}
	return errors.Join(errs...)
}

// ValidateClickHouse reports the faults of the part that [Open] uses.
func (c Config) ValidateClickHouse() error {
	var errs []error
	if len(c.Addresses) == 0 {
		errs = append(errs, errors.New("addresses: at least one is required"))
	}
	errs = append(errs, addresses("addresses", c.Addresses))
	if !slices.Contains([]string{ProtocolNative, ProtocolHTTP}, c.Protocol) {
		errs = append(errs, fmt.Errorf("protocol: must be native or http, is %q", c.Protocol))
	}
	if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`).MatchString(c.Database) {
		errs = append(errs, fmt.Errorf("database: must be a plain name, is %q", c.Database))
	}
	return errors.Join(append(errs, c.TLS.Validate(), c.Form().Validate())...)
}

// Form is how the tables stand.
func (c Config) Form() schema.Form { return schema.Form{Cluster: c.Cluster, Replicated: c.Replicated} }

func addresses(key string, list []string) error {
	var errs []error
	for _, a := range list {
		_, _, err := net.SplitHostPort(a)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not host:port", key, a))
		}
	}
	return errors.Join(errs...)
}
