package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// Modes of the risk model.
const (
	ModeObserve = "observe"
	ModeEnforce = "enforce"
)

// Tenant is the one tenant of an installation.
const Tenant = "default"

// Options say what to start. Dir, Library and Logger are required.
type Options struct {
	// Dir is the installation's directory, made where it is missing.
	Dir string
	// Library is the path of libchdb.so; see [FindLibrary].
	Library string
	// Kafka names an outside cluster's brokers; empty runs the embedded one.
	Kafka []string
	// Partitions is that of vigil.requests, for a cluster that has no topics yet.
	Partitions int
	// Listen is the gateway's address; empty keeps the one of the last run.
	Listen string
	// Upstream, Issuer and Audience name a service and a provider that exist.
	// Where Upstream is empty the samples run.
	Upstream, Issuer, Audience string
	// Mode is that of the risk model.
	Mode string
	// Users maps names to passwords at the sample upstream.
	Users map[string]string
	// DownloadRate is the sample upstream's, in bytes per second.
	DownloadRate int64
	// Configure has the last word about the configuration; nil changes nothing.
	Configure func(*Config) error
	// Prepare may make a warm-start file before the analyzer starts and return
	// its path; nil or an empty path starts without.
	Prepare func(context.Context, Prepared) (string, error)
	// Logger is the log of everything.
	Logger *slog.Logger
}

// Prepared is what is known about an installation before it scores anything.
type Prepared struct {
	Places Places
	Names  event.Names
	Issuer string
	// Host is the gateway's host:port.
	Host string
	// Config is the whole configuration, as it will run.
	Config *Config
}

// Limits of an installation in one process.
const (
	PartitionsDefault = 6
	PartitionsMax     = 64
	// startTimeout bounds how long a part may take to be ready.
	startTimeout = 30 * time.Second
	// readyEvery is the pause between two looks at a part that starts.
	readyEvery = 20 * time.Millisecond
	// drainTimeout is what clients get to finish when the gateway stops; in one
	// process on one machine nobody waits longer.
	drainTimeout = 5 * time.Second
	// stopTimeout bounds how long a part may take to end.
	stopTimeout = 20 * time.Second
)

// DefaultOptions observe only.
func DefaultOptions() Options {
	return Options{Partitions: PartitionsDefault, Mode: ModeObserve}
}

// ErrOptions means that what was asked for cannot be, whatever the machine.
var ErrOptions = errors.New("cannot run so")

func (o Options) validate() error {
	var errs []error
	if o.Dir == "" || o.Logger == nil {
		errs = append(errs, errors.New("directory and logger are required"))
	}
	if o.Partitions < 1 || o.Partitions > PartitionsMax {
		errs = append(errs, fmt.Errorf("partitions: must be between 1 and %d, is %d", PartitionsMax, o.Partitions))
	}
	if o.Mode != ModeObserve && o.Mode != ModeEnforce {
		errs = append(errs, fmt.Errorf("mode: must be %s or %s, is %q", ModeObserve, ModeEnforce, o.Mode))
	}
	if (o.Upstream == "") != (o.Issuer == "") {
		errs = append(errs, errors.New("upstream and issuer: name both, or neither for the samples"))
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrOptions, errors.Join(errs...))
}
