package access_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

func TestConfigNamesEveryFault(t *testing.T) {
	secure := tlsfile.Client{CAFile: "ca.pem"}
	tests := map[string]struct {
		config access.Config
		want   []string // How each fault begins; none where the configuration is good.
	}{
		"plain text, as nobody": {},
		"a name and a password over TLS": {config: access.Config{
			TLS: secure, SASL: access.SASL{Mechanism: access.ScramSHA512, Username: "gateway-1", PasswordFile: "password"},
		}},
		"SCRAM without TLS shows no password": {config: access.Config{
			SASL: access.SASL{Mechanism: access.ScramSHA256, Username: "gateway-1", PasswordFile: "password"},
		}},
		"PLAIN without TLS shows it": {
			config: access.Config{SASL: access.SASL{Mechanism: access.Plain, Username: "gateway-1", PasswordFile: "password"}},
			want:   []string{"sasl.mechanism: PLAIN sends the password as it is and needs tls.ca_file"},
		},
		"a mechanism that nobody knows, and nobody": {
			config: access.Config{SASL: access.SASL{Mechanism: "GSSAPI"}},
			want:   []string{`sasl.mechanism: must be`, "sasl.username: is required", "sasl.password_file: is required"},
		},
		"a name without a mechanism": {
			config: access.Config{SASL: access.SASL{Username: "gateway-1"}},
			want:   []string{"sasl.mechanism: is required"},
		},
		"a certificate that is shown to nobody in particular": {
			config: access.Config{TLS: tlsfile.Client{CertFile: "cert.pem", ServerName: "a b"}},
			want:   []string{"tls.ca_file: is required", "tls.cert_file: needs key_file", "tls.server_name: "},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var lines []string
			err := tt.config.Validate()
			if err != nil {
				lines = strings.Split(err.Error(), "\n")
			}
			if len(lines) != len(tt.want) {
				t.Fatalf("Validate() = %q, want %q", lines, tt.want)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("fault %d is %q, want %q", i, lines[i], want)
				}
			}
		})
	}
}

// A secret that everybody can read is refused, and what it holds is in no error.
func TestPasswordFiles(t *testing.T) {
	const secret = "correct-horse"
	tests := map[string]struct {
		mode    os.FileMode
		content string
		want    string
	}{
		"its owner alone":       {0o600, secret + "\n", ""},
		"its owner and group":   {0o640, secret, ""},
		"everybody":             {0o644, secret, "kafka.sasl.password_file: everybody on this machine can use "},
		"everybody may replace": {0o602, secret, "kafka.sasl.password_file: everybody on this machine can use "},
		"an empty one":          {0o600, "\n", "kafka.sasl.password_file: is empty"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "password")
			err := os.WriteFile(file, []byte(tt.content), 0o600)
			if err == nil {
				err = os.Chmod(file, tt.mode)
			}
			if err != nil {
				t.Fatal(err)
			}
			c := access.Config{SASL: access.SASL{Mechanism: access.ScramSHA512, Username: "u", PasswordFile: file}}
			checked := c.CheckFiles()
			_, opened := access.Open(c, tlsfile.Options{})
			for _, err := range []error{checked, opened} {
				if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix("kafka."+err.Error(), tt.want) {
					t.Errorf("%v, want %q", err, tt.want)
				}
				if strings.Contains(fmt.Sprint(err), secret) {
					t.Errorf("an error tells the password: %v", err)
				}
			}
		})
	}
}

// Nobody but an analyzer may write a verdict, and no gateway may read what others saw.
func TestGrantsAreTheLeast(t *testing.T) {
	for _, role := range access.Roles() {
		for _, g := range access.Grants(role) {
			for _, name := range g.Names {
				for _, o := range g.Operations {
					if o == access.Write && name == "vigil.verdicts" && role != access.RoleAnalyzer {
						t.Errorf("%s may write verdicts", role)
					}
					if o == access.Read && role == access.RoleGateway && name != "vigil.verdicts" {
						t.Errorf("a gateway may read %s", name)
					}
					if g.Prefixed && g.Resource == access.Topic && role != access.RoleOperator {
						t.Errorf("%s has a grant on topics by prefix, %s", role, name)
					}
					if role == access.RoleOperator && (o == access.Write || o == access.Read && name != "vigil.dead") {
						t.Errorf("an operator may %s %s", o, name)
					}
				}
			}
		}
	}
}
