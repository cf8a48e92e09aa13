package gateway

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/gateway/admit"
	"github.com/vigil-gateway/vigil/gateway/assertion"
	"github.com/vigil-gateway/vigil/gateway/emit"
	"github.com/vigil-gateway/vigil/gateway/guard"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/listen"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/gateway/origin"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/gateway/release"
	"github.com/vigil-gateway/vigil/gateway/revoke"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/access"
	"github.com/vigil-gateway/vigil/schemas/tlsfile"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// Config is a gateway's whole configuration.
type Config struct {
	// ID names this gateway in events; unique among gateways, stable over restarts.
	ID string `mapstructure:"id"`
	// Region is where it stands, for events.
	Region string `mapstructure:"region"`
	// Tenant is that of anonymous requests.
	Tenant string `mapstructure:"tenant"`
	// TenantKeyFile holds the tenant's secret of at least 32 bytes, the same as the analyzers'.
	TenantKeyFile string `mapstructure:"tenant_key_file"`
	// Lanes is the number of lanes of events, the same as the analyzers'.
	Lanes int64 `mapstructure:"lanes"`
	// TrustTrace continues the traces of clients; else each request begins a
	// trace of its own that links to the client's.
	TrustTrace bool `mapstructure:"trust_trace"`
	// StaleMax is how old the oldest event of a caller's lane may be that is not scored
	// before each route's posture counts; 0 for ever.
	StaleMax time.Duration `mapstructure:"stale_max"`
	// Kafka says where the topics are.
	Kafka Kafka `mapstructure:"kafka"`
	// Keys are the public keys that verdicts are believed by.
	Keys Keys `mapstructure:"keys"`
	// Listen says where clients connect.
	Listen listen.Config `mapstructure:"listen"`
	// Admin is the operators' port.
	Admin Admin `mapstructure:"admin"`
	// Origin says whom to believe about addresses.
	Origin origin.Config `mapstructure:"origin"`
	// Guard is what one address may hold and do.
	Guard guard.Config `mapstructure:"guard"`
	// Routes are what is served; the most specific one wins.
	Routes []route.Spec `mapstructure:"routes"`
	// Identity says whose tokens are believed.
	Identity identity.Config `mapstructure:"identity"`
	// Login says how people sign in; without providers nobody does here.
	Login login.Config `mapstructure:"login"`
	// Session bounds what is open at once.
	Session session.Config `mapstructure:"session"`
	// Admit says how narrow a throttled caller is held.
	Admit admit.Config `mapstructure:"admit"`
	// Proxy says how upstreams are called.
	Proxy proxy.Config `mapstructure:"proxy"`
	// Assertion says how upstreams are told for whom a request is made.
	Assertion assertion.Config `mapstructure:"assertion"`
	// Emit says how events reach Kafka.
	Emit emit.Config `mapstructure:"emit"`
	// Revoke says how verdicts are followed.
	Revoke revoke.Config `mapstructure:"revoke"`
	// Release bounds the responses that wait to be scored.
	Release release.Config `mapstructure:"release"`
}

// Kafka says where the topics are.
type Kafka struct {
	// Brokers are host:port addresses to begin with.
	Brokers []string `mapstructure:"brokers"`
	// How they are reached and as whom.
	access.Config `mapstructure:",squash"`
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
	// who reads the admin token on its way can ask who is here and release held verdicts.
	Address string `mapstructure:"address"`
	// TLS is the port's certificate.
	TLS tlsfile.Server `mapstructure:"tls"`
	// TokenFile holds the bearer token of what tells about sessions. Empty
	// switches that off.
	TokenFile string `mapstructure:"token_file"`
}

// DefaultConfig lacks an id, keys, brokers, a directory for verdicts, issuers
// and routes.
func DefaultConfig() Config {
	return Config{
		Tenant: "default", Lanes: topic.LanesDefault, StaleMax: time.Minute,
		Listen: listen.DefaultConfig(), Admin: Admin{Address: "127.0.0.1:0"}, Origin: origin.DefaultConfig(), Guard: guard.DefaultConfig(),
		Identity: identity.DefaultConfig(), Login: login.DefaultConfig(), Session: session.DefaultConfig(), Admit: admit.DefaultConfig(),
		Proxy: proxy.DefaultConfig(), Assertion: assertion.DefaultConfig(), Emit: emit.DefaultConfig(), Revoke: revoke.DefaultConfig(),
		Release: release.DefaultConfig(),
	}
}

// Validate reports every fault at once, each named by its key.
func (c Config) Validate() error {
	var errs []error
	for _, f := range []struct{ key, value string }{
		{"id", c.ID},
		{"tenant", c.Tenant},
		{"tenant_key_file", c.TenantKeyFile},
		{"keys.key_set_file", c.Keys.KeySetFile},
		{"keys.root_public_file", c.Keys.RootPublicFile},
	} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("%s: is required", f.key))
		}
		if strings.ContainsRune(f.value, 0) {
			errs = append(errs, fmt.Errorf("%s: must not contain NUL, which separates the parts of record keys", f.key))
		}
	}
	if c.Lanes < 1 || c.Lanes > lanesMax {
		errs = append(errs, fmt.Errorf("lanes: must be between 1 and %d, is %d", lanesMax, c.Lanes))
	}
	if c.StaleMax < 0 {
		errs = append(errs, fmt.Errorf("stale_max: must not be negative, is %s", c.StaleMax))
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
	errs = append(errs, under("admin", c.Admin.TLS.ValidateAt(c.Admin.Address)))
	errs = append(errs,
		under("listen", c.Listen.Validate()), under("origin", c.Origin.Validate()), under("guard", c.Guard.Validate()), route.Config{Routes: c.Routes}.Validate(),
		under("identity", c.Identity.Validate()), under("session", c.Session.Validate()), under("admit", c.Admit.Validate()),
		under("login", c.Login.Validate()), c.assurance(),
		under("proxy", c.Proxy.Validate()), under("assertion", c.Assertion.Validate()), under("emit", c.Emit.Validate()), under("revoke", c.Revoke.Validate()),
		under("release", c.Release.Validate()))
	return errors.Join(append(errs, c.promises())...)
}

// assurance names the routes that ask for an authentication context which no
// provider can give: a person would be sent to sign in for ever. Where tokens of
// other issuers are taken, or a provider does not say what it can give, nobody knows.
func (c Config) assurance() error {
	if !c.Login.Enabled() || len(c.Identity.Issuers) > 0 {
		return nil
	}
	can := c.Login.SecondFactor.ACRValues()
	for _, p := range c.Login.Providers {
		if len(p.ACRValues) == 0 && p.Type != login.TypeOAuth2 {
			return nil
		}
		can = append(can, p.ACRValues...)
	}
	var errs []error
	for i, r := range c.Routes {
		if len(r.ACR) > 0 && !slices.ContainsFunc(r.ACR, func(acr string) bool { return slices.Contains(can, acr) }) {
			errs = append(errs, fmt.Errorf("routes[%d].acr: no provider of login.providers can give any of %q", i, r.ACR))
		}
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
