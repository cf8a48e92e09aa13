package telemetry

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// Protocols of OTLP.
const (
	ProtocolGRPC = "grpc"
	ProtocolHTTP = "http"
)

// Formats of the log.
const (
	FormatJSON = "json"
	FormatText = "text"
)

// Config says where telemetry goes.
type Config struct {
	// Where traces and metrics are pushed to; nothing is pushed without an endpoint.
	OTLP OTLP `mapstructure:"otlp"`
	// Share of requests that begin a trace, 0 to 1; a request that comes with
	// a trusted parent follows the parent.
	SampleRatio float64 `mapstructure:"sample_ratio"`
	// Pause between two pushes of metrics; the Prometheus endpoint is always current.
	MetricsInterval time.Duration `mapstructure:"metrics_interval"`
}

// OTLP is an OpenTelemetry collector.
type OTLP struct {
	// Host and port of the collector, such as collector:4317; empty for none.
	Endpoint string `mapstructure:"endpoint"`
	// grpc (usually port 4317) or http (usually port 4318).
	Protocol string `mapstructure:"protocol"`
	// Speak without TLS; for a collector on the same machine.
	Insecure bool `mapstructure:"insecure"`
	// File of headers, one "Name: value" per line, such as an API key.
	HeadersFile string `mapstructure:"headers_file"`
	// How long one export may take before it is given up.
	Timeout time.Duration `mapstructure:"timeout"`
}

// Log is how a process logs to its standard error.
type Log struct {
	// json for machines or text for people.
	Format string `mapstructure:"format"`
	// The least level that is written: debug, info, warn or error.
	Level string `mapstructure:"level"`
}

// DefaultConfig pushes nothing and traces every request that a collector
// would get, which is right until there is much traffic.
func DefaultConfig() Config {
	return Config{
		OTLP:            OTLP{Protocol: ProtocolGRPC, Timeout: 10 * time.Second},
		SampleRatio:     1,
		MetricsInterval: 15 * time.Second,
	}
}

// DefaultLog is JSON from info upwards.
func DefaultLog() Log { return Log{Format: FormatJSON, Level: "info"} }

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	if c.OTLP.Endpoint != "" {
		_, _, err := net.SplitHostPort(c.OTLP.Endpoint)
		if err != nil {
			errs = append(errs, fmt.Errorf("otlp.endpoint: needs host:port, such as collector:4317, is %q", c.OTLP.Endpoint))
		}
	}
	if c.OTLP.Protocol != ProtocolGRPC && c.OTLP.Protocol != ProtocolHTTP {
		errs = append(errs, fmt.Errorf("otlp.protocol: must be one of grpc, http, is %q", c.OTLP.Protocol))
	}
	if c.OTLP.Timeout <= 0 || c.OTLP.Timeout > exportTimeoutMax {
		errs = append(errs, fmt.Errorf("otlp.timeout: must be above 0 and at most %s, is %s", exportTimeoutMax, c.OTLP.Timeout))
	}
	if !(c.SampleRatio >= 0 && c.SampleRatio <= 1) {
		errs = append(errs, fmt.Errorf("sample_ratio: must be from 0 to 1, is %g", c.SampleRatio))
	}
	if c.MetricsInterval < time.Second {
		errs = append(errs, fmt.Errorf("metrics_interval: must be at least 1s, is %s", c.MetricsInterval))
	}
	return errors.Join(errs...)
}

// Validate reports every fault at once, each named by its key.
func (l Log) Validate() error {
	var errs []error
	if l.Format != FormatJSON && l.Format != FormatText {
		errs = append(errs, fmt.Errorf("format: must be one of json, text, is %q", l.Format))
	}
	_, err := l.level()
	if err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (l Log) level() (slog.Level, error) {
	switch l.Level {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("level: must be one of debug, info, warn, error, is %q", l.Level)
}
