package config

import (
	"errors"

	"github.com/vigil-gateway/vigil/analyzer"
	"github.com/vigil-gateway/vigil/cmd/internal/telemetry"
)

// Analyzer is the file of an analyzer: its own keys, and those of the process.
type Analyzer struct {
	analyzer.Config `mapstructure:",squash"`

	// Telemetry says where traces and metrics go.
	Telemetry telemetry.Config `mapstructure:"telemetry"`
	// Log says how the process logs.
	Log telemetry.Log `mapstructure:"log"`
}

// DefaultAnalyzer lacks only what has no safe default.
func DefaultAnalyzer() Analyzer {
	return Analyzer{Config: analyzer.DefaultConfig(), Telemetry: telemetry.DefaultConfig(), Log: telemetry.DefaultLog()}
}

// Validate reports every fault at once, each named by its key.
func (a Analyzer) Validate() error {
	return errors.Join(a.Config.Validate(), under("telemetry", a.Telemetry.Validate()), under("log", a.Log.Validate()))
}

// AnalyzerWritten lists the keys of files that an analyzer makes itself.
func AnalyzerWritten() []string { return nil }
