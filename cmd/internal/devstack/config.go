package devstack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vigil-gateway/vigil/analyzer"
	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/cmd/internal/telemetry"
	"github.com/vigil-gateway/vigil/gateway"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Config is the configuration of both roles, in one file for "vigil up".
type Config struct {
	// Gateway is the gateway's, as vigil-gateway reads it.
	Gateway gateway.Config `mapstructure:"gateway"`
	// Analyzer is the analyzer's, as vigil-analyzer reads it.
	Analyzer analyzer.Config `mapstructure:"analyzer"`
	// Telemetry says where traces and metrics of both go.
	Telemetry telemetry.Config `mapstructure:"telemetry"`
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	return errors.Join(
		under("gateway", c.Gateway.Validate()),
		under("analyzer", c.Analyzer.Validate()),
		under("telemetry", c.Telemetry.Validate()),
	)
}

// CheckFiles opens every file that both roles open, each fault named by its key.
func (c Config) CheckFiles() error {
	return errors.Join(under("gateway", c.Gateway.CheckFiles()), under("analyzer", c.Analyzer.CheckFiles()))
}

// under puts a section's name before each of its faults.
func under(section string, err error) error {
	if err == nil {
		return nil
	}
	many, ok := err.(interface{ Unwrap() []error }) // Only the outermost join is taken apart.
	if !ok {
		return fmt.Errorf("%s.%w", section, err)
	}
	var out []error
	for _, one := range many.Unwrap() {
		out = append(out, under(section, one))
	}
	return errors.Join(out...)
}

// FromFile puts a configuration file, and VIGIL_… of an environment, over what
// an installation sets by itself.
func FromFile(file string, environ []string) func(*Config) error {
	return func(c *Config) error {
		loaded, err := config.Load(config.Sources{File: file, Env: environ}, *c)
		_, faults := errors.AsType[config.Faults](err)
		if err != nil && !faults {
			return optionsError{err}
		}
		if err != nil {
			return err
		}
		*c = loaded.Config
		return config.FromAnywhere(c) // Other commands read it in the installation's own folder.
	}
}

// Mode is that of the risk model that c names.
func (c Config) Mode() string {
	m := model.Default()
	if c.Analyzer.Model.File != "" {
		b, err := os.ReadFile(c.Analyzer.Model.File)
		if err != nil {
			return ""
		}
		m, err = model.ParseWith(c.Analyzer.Model.File, b, analyzer.Beside(c.Analyzer.Model.File))
		if err != nil {
			return ""
		}
	}
	return m.Mode
}

// modelFile returns the model of a mode: the one that ships, with that mode
// and nothing else changed.
func modelFile(p Places, mode string) (string, error) {
	name := filepath.Join(p.State, "model-"+mode+".yaml")
	text := "# The risk model that ships, in mode " + mode + ".\nversion: 1\nname: default\nmode: " + mode + "\n"
	err := os.WriteFile(name, []byte(text), 0o600)
	if err != nil {
		return "", fmt.Errorf("write model: %w", err)
	}
	return name, nil
}
