package analyzer

import (
	"errors"
	"fmt"
	"net"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/epochs"
	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/analyzer/standby"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Config is an analyzer's whole configuration.
type Config struct {
	// TenantKeyFile holds the tenant's secret of at least 32 bytes, the same as the gateways'.
	TenantKeyFile string `mapstructure:"tenant_key_file"`
	// Lanes is the number of lanes per gateway, the same as the gateways'.
	Lanes int64 `mapstructure:"lanes"`
	// Kafka says where the topics are.
	Kafka Kafka `mapstructure:"kafka"`
	// Model is the risk model.
	Model Model `mapstructure:"model"`
	// Keys are the public keys that verdicts are believed by.
	Keys Keys `mapstructure:"keys"`
	// Ingest says how vigil.requests is read.
	Ingest ingest.Config `mapstructure:"ingest"`
	// State says where the scorer's state is kept.
	State state.Config `mapstructure:"state"`
	// Standby says whether this analyzer waits to take over from others.
	Standby standby.Config `mapstructure:"standby"`
	// Epochs says how often what partitions share is renewed.
	Epochs epochs.Config `mapstructure:"epochs"`
	// Announce says how verdicts are signed.
	Announce announce.Config `mapstructure:"announce"`
	// Store says where ClickHouse is and how rows are batched. Without brokers of
	// its own it takes those of kafka.
	Store store.Config `mapstructure:"store"`
	// Admin is the operators' port.
	Admin Admin `mapstructure:"admin"`
}

// Kafka says where the topics are.
type Kafka struct {
	// Brokers are host:port addresses to begin with.
	Brokers []string `mapstructure:"brokers"`
	// How they are reached and as whom.
	access.Config `mapstructure:",squash"`
}

// Model names the risk model.
type Model struct {
	// File is a risk model file. Empty is the built-in model, which observes only.
	File string `mapstructure:"file"`
}

// Keys name the public keys that verdicts are believed by.
type Keys struct {
	// KeySetFile is the key set, signed by the root.
	KeySetFile string `mapstructure:"key_set_file"`
	// RootPublicFile is the root's Ed25519 public key, PKIX in PEM.
	RootPublicFile string `mapstructure:"root_public_file"`
}

// Admin is the operators' port.
type Admin struct {
	// Address is where to listen, host:port. Off the loopback interface it takes tls:
	// who reads the admin token on its way can release held verdicts.
	Address string `mapstructure:"address"`
	// TLS is the port's certificate.
	TLS tlsfile.Server `mapstructure:"tls"`
	// TokenFile holds the bearer token of what changes something. Empty
	// switches those requests off.
	TokenFile string `mapstructure:"token_file"`
}

// DefaultConfig lacks only keys and brokers.
func DefaultConfig() Config {
	rows := store.DefaultConfig()
	rows.Brokers = nil
	return Config{
		Lanes:  topic.LanesDefault,
		Ingest: ingest.DefaultConfig(), State: state.DefaultConfig(), Standby: standby.DefaultConfig(), Epochs: epochs.DefaultConfig(), Announce: announce.DefaultConfig(), Store: rows,
		Admin: Admin{Address: "127.0.0.1:8081"},
	}
}

// storing is the configuration of the storing path with brokers filled in.
func (c Config) storing() store.Config {
	if len(c.Store.Brokers) == 0 {
		c.Store.Brokers = c.Kafka.Brokers
	}
	return c.Store
}

// Groups are the consumer groups that an analyzer of this configuration is in.
func (c Config) Groups() []string {
	return []string{c.Ingest.Group, c.Ingest.Group + facetGroup, c.Store.Group}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	required := func(key, value string) {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s: is required", key))
		}
	}
	required("tenant_key_file", c.TenantKeyFile)
	required("keys.key_set_file", c.Keys.KeySetFile)
	required("keys.root_public_file", c.Keys.RootPublicFile)
	if c.Lanes < 1 || c.Lanes > lanesMax {
		errs = append(errs, fmt.Errorf("lanes: must be between 1 and %d, is %d", lanesMax, c.Lanes))
	}
	if len(c.Kafka.Brokers) == 0 || len(c.Kafka.Brokers) > brokersMax {
		errs = append(errs, fmt.Errorf("kafka.brokers: must be 1 to %d addresses, are %d", brokersMax, len(c.Kafka.Brokers)))
	}
	for i, b := range c.Kafka.Brokers {
		_, _, err := net.SplitHostPort(b)
		if err != nil {
			errs = append(errs, fmt.Errorf("kafka.brokers[%d]: %w", i, err))
		}
	}
	errs = append(errs, under("kafka", c.Kafka.Validate()))
	errs = append(errs, under("admin", c.Admin.TLS.ValidateAt(c.Admin.Address)), under("ingest", c.Ingest.Validate()), under("state", c.State.Validate()), under("standby", c.Standby.Validate()), under("epochs", c.Epochs.Validate()), under("announce", c.Announce.Validate()))
	if c.Standby.Workers > 0 && (c.State.Dir == "" || c.State.ArchiveEvery == 0) {
		errs = append(errs, errors.New("standby.workers: needs state.dir, where copies are kept, and state.archive_every above 0"))
	}
	if len(c.Kafka.Brokers) > 0 { // Else one fault would be told twice.
		errs = append(errs, under("store", c.storing().Validate()))
	}
	return errors.Join(errs...)
}

// under puts a section's name before each of its faults.
func under(section string, err error) error {
	if err == nil {
		return nil
	}
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("%s.%w", section, err)
	}
	var out []error
	for _, one := range many.Unwrap() {
		out = append(out, under(section, one))
	}
	return errors.Join(out...)
}
