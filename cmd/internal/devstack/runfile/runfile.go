package runfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Name is the file's name in an installation's directory.
const Name = "run.json"

// DirDefault is the directory of an installation where nobody names another.
const DirDefault = ".vigil"

// ErrNone means that a directory holds no installation.
var ErrNone = errors.New("no installation here")

// Run says where the parts of an installation are.
type Run struct {
	// PID is the process that runs it, 0 while nothing does; see [Run.Alive].
	PID int `json:"pid"`
	// Gateway is the base URL of the gateway, such as http://127.0.0.1:8080.
	Gateway string `json:"gateway"`
	// GatewayAdmin is the base URL of the gateway's admin port.
	GatewayAdmin string `json:"gateway_admin"`
	// Console is the base URL of the analyzer's admin port and console.
	Console string `json:"console"`
	// Kafka lists the brokers, host:port.
	Kafka []string `json:"kafka"`
	// Partitions is that of vigil.requests.
	Partitions int `json:"partitions"`
	// ClickHouse is how clickhouse-go reaches the database, with its protocol,
	// such as http://127.0.0.1:8123.
	ClickHouse string `json:"clickhouse"`
	// ClickHouseDatabase, ClickHouseUser and ClickHousePasswordFile go with it.
	ClickHouseDatabase     string `json:"clickhouse_database"`
	ClickHouseUser         string `json:"clickhouse_user"`
	ClickHousePasswordFile string `json:"clickhouse_password_file"`
	// ClickHouseCAFile and the three after it secure the native protocol; those of
	// an installation on the embedded engine are empty.
	ClickHouseCAFile     string `json:"clickhouse_ca_file,omitempty"`
	ClickHouseCertFile   string `json:"clickhouse_cert_file,omitempty"`
	ClickHouseKeyFile    string `json:"clickhouse_key_file,omitempty"`
	ClickHouseServerName string `json:"clickhouse_server_name,omitempty"`
	// Issuer and Upstream are the provider and the service behind the gateway.
	Issuer   string `json:"issuer,omitempty"`
	Upstream string `json:"upstream,omitempty"`
	// OwnService is true where these are the operator's own, not the samples;
	// Audience is then what its tokens name, so that the next run goes on with it.
	OwnService bool   `json:"own_service,omitempty"`
	Audience   string `json:"audience,omitempty"`
	// ConfigFile is the configuration that the operator wrote, so that the next run goes
	// on with it; empty for none.
	ConfigFile string `json:"config_file,omitempty"`
	// Mode is that of the risk model, observe or enforce.
	Mode string `json:"mode,omitempty"`
	// Tenant is the one tenant.
	Tenant string `json:"tenant"`
	// TenantKeyFile holds the key of the pseudonyms, raw bytes.
	TenantKeyFile string `json:"tenant_key_file"`
	// AdminTokenFile holds the bearer token of both admin ports.
	AdminTokenFile string `json:"admin_token_file"`
	// AdminCAFile and the two after it secure both admin ports; those of an
	// installation that vigil up made are plain and on loopback.
	AdminCAFile   string `json:"admin_ca_file,omitempty"`
	AdminCertFile string `json:"admin_cert_file,omitempty"`
	AdminKeyFile  string `json:"admin_key_file,omitempty"`
	// OperatorKeyFile is the Ed25519 private key (PKCS#8 PEM) that signs an
	// operator's verdicts, OperatorKid its id in the key set.
	OperatorKeyFile string `json:"operator_key_file"`
	OperatorKid     string `json:"operator_kid"`
	// KeySetFile and RootFile are what gateways verify verdicts with.
	KeySetFile string `json:"key_set_file"`
	RootFile   string `json:"root_file"`
}

// Alive reports whether the process that runs the installation is there. One that
// was killed has left its number behind.
func (r Run) Alive() bool {
	if r.PID == 0 {
		return false
	}
	p, err := os.FindProcess(r.PID)
	return err == nil && !errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// Read returns the run file of an installation's directory. The error wraps
// [ErrNone] where there is none.
func Read(dir string) (Run, error) {
	var r Run
	name := filepath.Join(dir, Name)
	b, err := os.ReadFile(name) //nolint:gosec // The operator names the directory.
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("%s: %w", name, ErrNone)
	}
	if err != nil {
		return r, fmt.Errorf("read run file: %w", err)
	}
	err = json.Unmarshal(b, &r)
	if err != nil {
		return r, fmt.Errorf("read run file %s: %w", name, err)
	}
	return r, nil
}

// Write puts r in an installation's directory.
func Write(dir string, r Run) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode run file: %w", err)
	}
	name := filepath.Join(dir, Name)
	err = os.WriteFile(name+".new", append(b, '\n'), 0o600)
	if err != nil {
		return fmt.Errorf("write run file: %w", err)
	}
	err = os.Rename(name+".new", name)
	if err != nil {
		return fmt.Errorf("write run file: %w", err)
	}
	return nil
}
