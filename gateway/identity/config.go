package identity

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
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
	// DPoP says how proofs are checked that a client has a token's key.
	DPoP DPoP `mapstructure:"dpop"`
	// APIKeys are keys that are looked up in a file.
	APIKeys APIKeys `mapstructure:"api_keys"`
	// Certificates of clients that say by themselves who acts. They take a
	// listener that asks for them.
	Certificates []Certificate `mapstructure:"certificates"`
}

// DPoP says how proofs are checked (RFC 9449).
type DPoP struct {
	// Window is how far a proof's iat may be from the clock, either way.
	Window time.Duration `mapstructure:"window"`
	// ProofsMax bounds the proofs that are remembered so that none is used
	// twice, about 40 B each, and 40 B more for each key. They are remembered for two
	// to four windows; beyond it proofs are refused, and those of one key when they
	// take up as much as is left.
	ProofsMax int `mapstructure:"proofs_max"`
	// NonceLifetime is how long a nonce is good, at least; at most it is twice
	// that.
	NonceLifetime time.Duration `mapstructure:"nonce_lifetime"`
	// Origins are those that clients know this gateway by, such as
	// https://api.example.com; a proof must name one of them. Where empty, the
	// scheme and host of the request count. Behind something that ends TLS they
	// are needed.
	Origins []string `mapstructure:"origins"`
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
	// Algorithms that are accepted: RS256 to 512, PS256 to 512, ES256 to 512,
	// EdDSA and its newer name Ed25519. Where empty RS256, PS256, ES256, EdDSA and
	// Ed25519.
	Algorithms []string `mapstructure:"algorithms"`
	// Profile is rfc9068 where tokens must keep to that profile: typ at+jwt, and
	// the claims client_id, iat and jti beside what is always required. Empty for
	// none.
	Profile string `mapstructure:"profile"`
	// RequiredClaims must be there, each NAME, or NAME=VALUE for a text, an entry
	// of a list of texts, true or a number.
	RequiredClaims []string `mapstructure:"required_claims"`
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
	// RoleClaim names the claim that holds the roles, dots between the names of
	// nested ones: realm_access.roles. Empty for none.
	RoleClaim string `mapstructure:"role_claim"`
	// RoleScopes are scopes that roles give.
	RoleScopes []RoleScopes `mapstructure:"role_scopes"`
	// SessionClaim names the claim that holds the provider's session; sid where empty.
	SessionClaim string `mapstructure:"session_claim"`
	// ACRValues are the authentication contexts that the issuer can give; where there
	// are some, no other counts. Where
	// every issuer lists some, a route may ask only for those.
	ACRValues []string `mapstructure:"acr_values"`
	// Binding lists to which keys the issuer's tokens must be bound, dpop or
	// mtls; empty accepts those that are bound to none, too.
	Binding []string `mapstructure:"binding"`
	// DPoPNonce asks that proofs carry a nonce of this gateway. With several
	// gateways, or where the restart of one must leave no window, it alone keeps
	// a proof from being used twice.
	DPoPNonce bool `mapstructure:"dpop_nonce"`
	// Introspection has the issuer asked about its tokens, whatever their form,
	// and none of them verified by keys. Off where its url is empty.
	Introspection Introspection `mapstructure:"introspection"`
}

// RoleScopes are the scopes that one role gives.
type RoleScopes struct {
	// Role is the role's exact name.
	Role string `mapstructure:"role"`
	// Scopes that it gives.
	Scopes []string `mapstructure:"scopes"`
}

// profileRFC9068 is the JWT profile for access tokens (RFC 9068 section 2).
const profileRFC9068 = "rfc9068"

// tenantDefault is the tenant of whom no setting gives to another.
const tenantDefault = "default"

// leewayDefault forgives clocks that a minute of NTP trouble has moved.
const leewayDefault = 60 * time.Second

// DefaultConfig trusts no issuer.
func DefaultConfig() Config {
	return Config{
		CacheEntries: 16384, KeysRefresh: 15 * time.Minute,
		KeysMinInterval: 30 * time.Second, KeysMaxStale: 24 * time.Hour,
		DPoP:    DPoP{Window: time.Minute, ProofsMax: 1 << 20, NonceLifetime: 5 * time.Minute},
		APIKeys: APIKeys{Header: "X-Api-Key"},
	}
}

// algorithms lists what can be allowed. HMAC is not among them: whoever can
// check such a token can also forge it.
func algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
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
		first, dup := seen[sameIssuer(is.Issuer)]
		if dup {
			errs = append(errs, fmt.Errorf("issuers[%d].issuer: %q is also that of issuers[%d]", i, is.Issuer, first))
		}
		seen[sameIssuer(is.Issuer)] = i
	}
	errs = append(errs, prefixFaults(c.Issuers)...)
	errs = append(errs, c.DPoP.faults()...)
	errs = append(errs, c.APIKeys.faults()...)
	for i, cert := range c.Certificates {
		for _, err := range cert.faults() {
			errs = append(errs, fmt.Errorf("certificates[%d].%w", i, err))
		}
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

// sameIssuer gives two spellings of one issuer's URL one form. A token's iss is
// compared exactly; but two entries for one provider are a mistake.
func sameIssuer(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return issuer
	}
	return originOf(u) + strings.TrimSuffix(u.EscapedPath(), "/")
}

// faults reports what is wrong with the DPoP section.
func (d DPoP) faults() []error {
	var errs []error
	if d.Window < time.Second || d.Window > 10*time.Minute {
		errs = append(errs, fmt.Errorf("dpop.window: must be between 1s and 10m, is %s", d.Window))
	}
	if d.ProofsMax < 2*shards || d.ProofsMax > 1<<26 {
		errs = append(errs, fmt.Errorf("dpop.proofs_max: must be between %d and %d, is %d", 2*shards, 1<<26, d.ProofsMax))
	}
	if d.NonceLifetime < 10*time.Second || d.NonceLifetime > time.Hour {
		errs = append(errs, fmt.Errorf("dpop.nonce_lifetime: must be between 10s and 1h, is %s", d.NonceLifetime))
	}
	for i, o := range d.Origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			errs = append(errs, fmt.Errorf("dpop.origins[%d]: %q is not an origin such as https://api.example.com", i, o))
		}
	}
	return errs
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
	if source != "" && (is.Introspection.URL == "" || is.Introspection.Signed) {
		err := checkKeyURL(source, allowPrivate)
		if err != nil {
			add("%s: %w", key, err)
		}
	}
	errs = append(errs, is.Introspection.faults(is, allowPrivate)...)
	errs = append(errs, is.claimFaults()...)
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
	return errs
}

// claimFaults reports what is wrong with what is asked of the claims.
func (is Issuer) claimFaults() []error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if is.KindClaim == "" && len(is.ServiceValues)+len(is.AgentValues) > 0 {
		add("kind_claim: is missing beside service_values or agent_values")
	}
	if is.Profile != "" && is.Profile != profileRFC9068 {
		add("profile: unknown value %q, must be %s or empty", is.Profile, profileRFC9068)
	}
	if is.Profile != "" && len(is.Types) > 0 {
		add("types: the profile says which; leave them away")
	}
	for i, claim := range is.RequiredClaims {
		name, value, valued := strings.Cut(claim, "=")
		if name == "" || valued && value == "" {
			add("required_claims[%d]: %q is not NAME or NAME=VALUE", i, claim)
		}
	}
	for i, b := range is.Binding {
		if b != event.BindingDPoP && b != event.BindingMTLS {
			add("binding[%d]: unknown value %q, must be one of %s, %s", i, b, event.BindingDPoP, event.BindingMTLS)
		}
	}
	for i, m := range is.RoleScopes {
		if m.Role == "" || len(m.Scopes) == 0 || slices.Contains(m.Scopes, "") {
			add("role_scopes[%d]: name a role and at least one scope", i)
		}
	}
	if is.RoleClaim == "" && len(is.RoleScopes) > 0 {
		add("role_claim: is missing beside role_scopes")
	}
	return errs
}

// checkKeyURL reports why keys, or answers about tokens, may not be fetched from raw.
func checkKeyURL(raw string, allowPrivate bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fmt.Errorf("is not a URL: %w", err)
	case u.Scheme != "https" && (u.Scheme != "http" || !allowPrivate):
		return fmt.Errorf("must be https (http with allow_private), is %q", raw)
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q must name a host and carry no user or fragment", raw)
	}
	return nil
}

// defaults returns is with its empty fields filled.
func (is Issuer) defaults() Issuer {
	if len(is.Algorithms) == 0 {
		is.Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA", "Ed25519"}
	}
	if is.Profile == profileRFC9068 {
		is.Types = []string{"at+jwt"}
		is.RequiredClaims = append(slices.Clip(is.RequiredClaims), "client_id", "iat", "jti")
	}
	if len(is.Types) == 0 {
		is.Types = []string{"at+jwt", "JWT"}
	}
	if is.Leeway == 0 {
		is.Leeway = leewayDefault
	}
	if is.Tenant == "" {
		is.Tenant = tenantDefault
	}
	if is.SessionClaim == "" {
		is.SessionClaim = "sid"
	}
	return is
}
