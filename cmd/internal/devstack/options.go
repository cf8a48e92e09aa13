package devstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
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
	// What is empty is that of the last run; where that had none the samples run.
	Upstream, Issuer, Audience string
	// Sample runs the samples whatever the last run had.
	Sample bool
	// Mode is that of the risk model.
	Mode string
	// Users maps names to passwords at the sample upstream.
	Users map[string]string
	// DownloadRate is the sample upstream's, in bytes per second.
	DownloadRate int64
	// ConfigFile is the file behind Configure, absolute, which the run file remembers;
	// empty for none.
	ConfigFile string
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
	// readyBytesMax bounds what is read of an admin port's answer.
	readyBytesMax = 1 << 20
	// readyEvery is the pause between two looks at a part that starts.
	readyEvery = 20 * time.Millisecond
	// upstreamTimeout bounds the look at whether the service behind the gateway is
	// there; a handshake takes far less, and somebody waits.
	upstreamTimeout = time.Second
	// drainTimeout is what clients get to finish when the gateway stops; in one
	// process on one machine nobody waits longer.
	drainTimeout = 5 * time.Second
	// keysEvery is the pause between two looks at whether keys were rotated.
	keysEvery = time.Second
	// stopTimeout bounds how long a part may take to end.
	stopTimeout = 20 * time.Second
)

// DefaultOptions observe only.
func DefaultOptions() Options {
	return Options{Partitions: PartitionsDefault, Mode: ModeObserve}
}

// ErrOptions means that what was asked for cannot be, whatever the machine.
var ErrOptions = errors.New("cannot run so")

// optionsError is a fault that wraps [ErrOptions] and begins with what is at fault.
type optionsError struct{ error }

// Is implements the check of [errors.Is].
func (e optionsError) Is(target error) bool { return target == ErrOptions }

// Unwrap is the fault itself.
func (e optionsError) Unwrap() error { return e.error }

// recall fills in the service of the last run where nobody names another.
func (o Options) recall(last runfile.Run) Options {
	if o.Sample || !last.OwnService {
		return o
	}
	o.Upstream = cmp.Or(o.Upstream, last.Upstream)
	o.Issuer = cmp.Or(o.Issuer, last.Issuer)
	o.Audience = cmp.Or(o.Audience, last.Audience)
	return o
}

func (o Options) validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Dir == "" || o.Logger == nil {
		fault("directory and logger are required")
	}
	if o.Partitions < 1 || o.Partitions > PartitionsMax {
		fault("--partitions: must be between 1 and %d, is %d", PartitionsMax, o.Partitions)
	}
	if o.Mode != ModeObserve && o.Mode != ModeEnforce {
		fault("mode: must be %s or %s, is %q", ModeObserve, ModeEnforce, o.Mode)
	}
	if o.Listen != "" {
		_, err := net.ResolveTCPAddr("tcp", o.Listen)
		if err != nil {
			fault("--listen: needs host:port such as 127.0.0.1:8080, is %q: %w", o.Listen, err)
		}
	}
	for _, b := range o.Kafka {
		_, _, err := net.SplitHostPort(b)
		if err != nil {
			fault("--kafka: %w", err)
		}
	}
	errs = append(errs, o.validateService()...)
	if len(errs) == 0 {
		return nil
	}
	return optionsError{errors.Join(errs...)}
}

// validateService checks that a service that is not the sample is named whole.
func (o Options) validateService() []error {
	named := o.Upstream != "" || o.Issuer != "" || o.Audience != ""
	if !named {
		return nil
	}
	if o.Sample {
		return []error{errors.New("--sample: cannot go with --upstream, --issuer and --audience")}
	}
	var errs []error
	for _, f := range []struct{ flag, value, what string }{
		{"--upstream", o.Upstream, "the URL of your service"},
		{"--issuer", o.Issuer, "the URL of the identity provider whose tokens it takes"},
	} {
		u, err := url.Parse(f.value)
		switch {
		case f.value == "":
			errs = append(errs, fmt.Errorf("%s: is missing: %s", f.flag, f.what))
		case err != nil || u.Host == "":
			errs = append(errs, fmt.Errorf("%s: needs a URL such as http://127.0.0.1:3000, is %q", f.flag, f.value))
		case f.value == o.Issuer && u.Scheme != "https" && !onLoopback(f.value) && o.Configure == nil:
			// A configuration may allow it.
			errs = append(errs, fmt.Errorf("%s: must be https unless it is on this machine, is %q", f.flag, f.value))
		}
	}
	// A configuration may name the audiences; whether it does shows when it is read.
	if o.Audience == "" && o.Configure == nil {
		errs = append(errs, errors.New("--audience: is missing: the audience (claim aud) that the issuer's tokens for your service name"))
	}
	return errs
}
