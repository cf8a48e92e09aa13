package access

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// Mechanisms by which a name and a password are shown to a broker. PLAIN sends
// the password itself, the others prove that both sides know it (RFC 5802).
const (
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
	Plain       = "PLAIN"
)

// Config says how the brokers are reached and as whom.
type Config struct {
	// TLS secures the connections to the brokers; without ca_file they are plain text.
	TLS tlsfile.Client `mapstructure:"tls"`
	// SASL is a name and a password for the brokers; without a mechanism the
	// certificate of tls, if there is one, says who connects.
	SASL SASL `mapstructure:"sasl"`
}

// SASL is a name and a password.
type SASL struct {
	// Mechanism is SCRAM-SHA-256, SCRAM-SHA-512 or PLAIN, which needs TLS; empty
	// for none.
	Mechanism string `mapstructure:"mechanism"`
	// Username is the principal's name.
	Username string `mapstructure:"username"`
	// PasswordFile holds its password; a line end at its end is ignored. It is read
	// for each connection. Only its owner and group may be able to read it.
	PasswordFile string `mapstructure:"password_file"`
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	errs := []error{c.TLS.Validate()}
	s := c.SASL
	fault := func(key, text string, args ...any) {
		errs = append(errs, fmt.Errorf("sasl."+key+": "+text, args...))
	}
	if s.Mechanism == "" {
		if s.Username != "" || s.PasswordFile != "" {
			fault("mechanism", "is required where a username or a password_file is set")
		}
		return errors.Join(errs...)
	}
	if !slices.Contains([]string{ScramSHA256, ScramSHA512, Plain}, s.Mechanism) {
		fault("mechanism", "must be %s, %s or %s, is %q", ScramSHA256, ScramSHA512, Plain, s.Mechanism)
	}
	if s.Mechanism == Plain && !c.TLS.Enabled() {
		fault("mechanism", "%s sends the password as it is and needs tls.ca_file", Plain)
	}
	if s.Username == "" {
		fault("username", "is required")
	}
	if s.PasswordFile == "" {
		fault("password_file", "is required")
	}
	return errors.Join(errs...)
}

// CheckFiles opens every file that [Open] opens and reports every fault at once,
// each named by its key.
func (c Config) CheckFiles() error {
	var errs []error
	if c.TLS.Validate() == nil {
		_, err := tlsfile.NewDialer(c.TLS, tlsfile.Options{Now: never})
		errs = append(errs, err)
	}
	if c.SASL.PasswordFile != "" {
		_, err := keyfile.Password("sasl.password_file", c.SASL.PasswordFile)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
