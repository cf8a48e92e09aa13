package identity

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Config says whose tokens are believed, and how far.
type Config struct {
	// Issuers whose tokens are accepted.
	Issuers []Issuer `mapstructure:"issuers"`
	// CacheEntries bounds the verified tokens that are remembered, about 3 KiB
	// each; 0 remembers none.
	CacheEntries int `mapstructure:"cache_entries"`
	// KeysRefresh is how often key sets are fetched again.
	KeysRefresh time.Duration `mapstructure:"keys_refresh"`
	// KeysMinInterval is the least time between two fetches of one key set,
	// whatever tokens ask for.
	KeysMinInterval time.Duration `mapstructure:"keys_min_interval"`
	// KeysMaxStale is how long the last good key set serves while its provider
	// is away. After that its tokens cannot be verified.
	KeysMaxStale time.Duration `mapstructure:"keys_max_stale"`
	// AllowPrivate lets key sets be fetched without TLS and from loopback and
	// private addresses, for a provider in the same house.
	AllowPrivate bool `mapstructure:"allow_private"`
}

// Issuer is one token issuer.
type Issuer struct {
	// Issuer is the exact value of the claim iss.
	Issuer string `mapstructure:"issuer"`
	// Audiences of which a token must name at least one.
	Audiences []string `mapstructure:"audiences"`
	// JWKSURL is where the key set is fetched. Where neither it nor JWKSFile is
	// set, the issuer's OpenID configuration says.
	JWKSURL string `mapstructure:"jwks_url"`
	// JWKSFile is a file that holds the key set; it is read again when it changes.
	JWKSFile string `mapstructure:"jwks_file"`
	// Algorithms that are accepted: RS256 to 512, PS256 to 512, ES256 to 512
	// and EdDSA. Where empty RS256, PS256, ES256 and EdDSA.
	Algorithms []string `mapstructure:"algorithms"`
	// Types lists the accepted values of the header typ; "none" accepts its
	// absence. Where empty at+jwt and JWT.
	Types []string `mapstructure:"types"`
	// Leeway is how far clocks may differ; 60s where 0.
	Leeway time.Duration `mapstructure:"leeway"`
	// MaxTokenAge is how old a token may be by its iat; 0 for no limit.
	MaxTokenAge time.Duration `mapstructure:"max_token_age"`
	// Tenant that the issuer's subjects belong to; "default" where empty.
	Tenant string `mapstructure:"tenant"`
	// KindClaim names a claim that tells services and agents from people.
	KindClaim string `mapstructure:"kind_claim"`
	// ServiceValues are the values of KindClaim that mean a service.
	ServiceValues []string `mapstructure:"service_values"`
	// AgentValues are the values of KindClaim that mean an agent.
	AgentValues []string `mapstructure:"agent_values"`
	// ScopeClaim names the claim that holds the scopes; scope, else scp, where empty.
	ScopeClaim string `mapstructure:"scope_claim"`
	// SessionClaim names the claim that holds the provider's session; sid where empty.
	SessionClaim string `mapstructure:"session_claim"`
}

// leewayDefault forgives clocks that a minute of NTP trouble has moved.
const leewayDefault = 60 * time.Second

// DefaultConfig trusts no issuer.
func DefaultConfig() Config {
	return Config{
		CacheEntries: 16384, KeysRefresh: 15 * time.Minute,
		KeysMinInterval: 30 * time.Second, KeysMaxStale: 24 * time.Hour,
	}
}

// algorithms lists what can be allowed. HMAC is not among them: whoever can
// check such a token can also forge it.
func algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// Validate reports every fault at once, each named by its key. It reads no
// file and asks nobody.
func (c Config) Validate() error {
	var errs []error
	if len(c.Issuers) > IssuersMax {
		errs = append(errs, fmt.Errorf("issuers: at most %d are allowed, there are %d", IssuersMax, len(c.Issuers)))
	}
	seen := make(map[string]int)
	for i, is := range c.Issuers {
		for _, err := range is.faults(c.AllowPrivate) {
			errs = append(errs, fmt.Errorf("issuers[%d].%w", i, err))
		}
		first, dup := seen[is.Issuer]
		if dup {
			errs = append(errs, fmt.Errorf("issuers[%d].issuer: %q is also that of issuers[%d]", i, is.Issuer, first))
		}
		seen[is.Issuer] = i
	}
	if c.CacheEntries < 0 || c.CacheEntries > 1<<22 {
		errs = append(errs, fmt.Errorf("cache_entries: must be between 0 and %d, is %d", 1<<22, c.CacheEntries))
	}
	if c.KeysMinInterval <= 0 {
		errs = append(errs, fmt.Errorf("keys_min_interval: must be positive, is %s", c.KeysMinInterval))
	}
	if c.KeysRefresh < max(c.KeysMinInterval, 1) {
		errs = append(errs, fmt.Errorf("keys_refresh: must be positive and at least keys_min_interval, is %s", c.KeysRefresh))
	}
	if c.KeysMaxStale < c.KeysRefresh {
		errs = append(errs, fmt.Errorf("keys_max_stale: must be at least keys_refresh, is %s", c.KeysMaxStale))
	}
	return errors.Join(errs...)
}

// faults reports what is wrong with one issuer, each fault prefixed by its key.
func (is Issuer) faults(allowPrivate bool) []error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if is.Issuer == "" {
		add("issuer: is missing")
	}
	if len(is.Audiences) == 0 || slices.Contains(is.Audiences, "") {
		add("audiences: name at least one, none of them empty: a token for somebody else is not for us")
	}
	if is.JWKSURL != "" && is.JWKSFile != "" {
		add("jwks_file: is set beside jwks_url; keep one of them")
	}
	source, key := is.JWKSURL, "jwks_url"
	if source == "" && is.JWKSFile == "" {
		source, key = is.Issuer, "issuer"
	}
	if source != "" {
		err := checkKeyURL(source, allowPrivate)
		if err != nil {
			add("%s: %w", key, err)
		}
	}
	for i, a := range is.Algorithms {
		if !slices.Contains(algorithms(), a) {
			add("algorithms[%d]: %q is not one of %s", i, a, strings.Join(algorithms(), ", "))
		}
	}
	if slices.Contains(is.Types, "") {
		add(`types: write "none" where tokens have no typ`)
	}
	if is.Leeway < 0 || is.Leeway > 10*time.Minute {
		add("leeway: must be between 0 and 10m, is %s", is.Leeway)
	}
	if is.MaxTokenAge < 0 {
		add("max_token_age: must not be negative, is %s", is.MaxTokenAge)
	}
	if is.KindClaim == "" && len(is.ServiceValues)+len(is.AgentValues) > 0 {
		add("kind_claim: is missing beside service_values or agent_values")
	}
	return errs
}

// checkKeyURL reports why keys may not be fetched from raw.
func checkKeyURL(raw string, allowPrivate bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fmt.Errorf("is not a URL: %w", err)
	case u.Scheme != "https" && (u.Scheme != "http" || !allowPrivate):
		return fmt.Errorf("keys are fetched by https only (http with allow_private), is %q", raw)
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q must name a host and carry no user or fragment", raw)
	}
	return nil
}

// defaults returns is with its empty fields filled.
func (is Issuer) defaults() Issuer {
	if len(is.Algorithms) == 0 {
		is.Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}
	}
	if len(is.Types) == 0 {
		is.Types = []string{"at+jwt", "JWT"}
	}
	if is.Leeway == 0 {
		is.Leeway = leewayDefault
	}
	if is.Tenant == "" {
		is.Tenant = "default"
	}
	if is.SessionClaim == "" {
		is.SessionClaim = "sid"
	}
	return is
}
