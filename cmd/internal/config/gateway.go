package config

import (
	"errors"
	"fmt"

	"github.com/vigil-gateway/vigil/cmd/internal/telemetry"
	"github.com/vigil-gateway/vigil/gateway"
)

// Gateway is the file of a gateway: its own keys, and those of the process.
type Gateway struct {
	gateway.Config `mapstructure:",squash"`

	// Telemetry says where traces and metrics go.
	Telemetry telemetry.Config `mapstructure:"telemetry"`
	// Log says how the process logs.
	Log telemetry.Log `mapstructure:"log"`
}

// DefaultGateway lacks only what has no safe default.
func DefaultGateway() Gateway {
	return Gateway{Config: gateway.DefaultConfig(), Telemetry: telemetry.DefaultConfig(), Log: telemetry.DefaultLog()}
}

// Validate reports every fault at once, each named by its key.
func (g Gateway) Validate() error {
	return errors.Join(g.Config.Validate(), under("telemetry", g.Telemetry.Validate()), under("log", g.Log.Validate()))
}

// GatewayWritten lists the keys of files that a gateway makes itself.
func GatewayWritten() []string { return []string{"login.state_file"} }

// under puts a section's name before its faults.
func under(section string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", section, err)
}
