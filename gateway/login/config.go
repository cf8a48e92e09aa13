package login

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Config says how people sign in. Without providers nobody can, and nothing of
// this package is served.
type Config struct {
	// ExternalURL is where browsers find this gateway, scheme and host only. It is
	// what redirect URIs are made of, never the Host that a request claims.
	ExternalURL string `mapstructure:"external_url"`
	// CookieDomain is the host of ExternalURL, as it is where empty. No other can be
	// had: our cookies go to one host alone, so that no neighbour under the same domain
	// can read or plant them.
	CookieDomain string `mapstructure:"cookie_domain"`
	// Prefix is the path under which our own pages are; /.vigil/ by default.
	Prefix string `mapstructure:"prefix"`
	// KeyRingFile holds the keys that seal cookies, 32 bytes in base64 on each
	// line, the same for all gateways: the first seals, all open. It is read again
	// when it changes.
	KeyRingFile string `mapstructure:"key_ring_file"`
	// Providers that people can choose from.
	Providers []Provider `mapstructure:"providers"`
	// Linking says, for each tenant, whether one person's accounts at several providers
	// are one subject; by default they are not.
	Linking []Linking `mapstructure:"linking"`
	// IdleTimeout ends a session that was not used for so long.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
	// AbsoluteTimeout ends it so long after the sign-in, whatever is done.
	AbsoluteTimeout time.Duration `mapstructure:"absolute_timeout"`
	// StaleMax is how long a session goes on that cannot be renewed because its
	// provider is away.
	StaleMax time.Duration `mapstructure:"stale_max"`
	// SessionsMax bounds the sessions that are remembered beside their cookies.
	SessionsMax int `mapstructure:"sessions_max"`
	// KeysMinInterval is the least time between two fetches of a provider's keys,
	// whatever tokens ask for.
	KeysMinInterval time.Duration `mapstructure:"keys_min_interval"`
	// StateFile keeps who has signed out until his session would have ended anyway, so
	// that a restart brings nobody back; empty to keep it in memory only.
	StateFile string `mapstructure:"state_file"`
	// AllowPrivate lets providers be called without TLS and at loopback and
	// private addresses.
	AllowPrivate bool `mapstructure:"allow_private"`
	// SecondFactor is the gateway's own, for providers that cannot step up.
	SecondFactor SecondFactor `mapstructure:"second_factor"`
	// Peers are all gateways that share the key ring, this one among them. A session
	// is renewed by one of them, and what ends one is told to all.
	Peers []Peer `mapstructure:"peers"`
	// PeersCAFile holds the certificates (PEM) that peers are verified against; empty
	// takes the system's.
	PeersCAFile string `mapstructure:"peers_ca_file"`
}

// Peer is a gateway that shares the key ring.
type Peer struct {
	// ID is the gateway's.
	ID string `mapstructure:"id"`
	// URL is where it listens for clients, as seen from here.
	URL string `mapstructure:"url"`
}

// Kinds of provider.
const (
	TypeOIDC   = "oidc"
	TypeOAuth2 = "oauth2"
)

// How a client proves itself to a provider.
const (
	ClientAuthBasic = "client_secret_basic"
	ClientAuthPost  = "client_secret_post"
	ClientAuthNone  = "none"
)

// Where the time of authentication comes from.
const (
	AuthTimeClaim    = "claim"
	AuthTimeCallback = "callback"
)

// Provider is one place where people can sign in.
type Provider struct {
	// ID names the provider in our own paths: lower-case letters, digits, hyphens.
	ID string `mapstructure:"id"`
	// Name is what people read.
	Name string `mapstructure:"name"`
	// Type is oidc, or oauth2 for a provider that has no ID tokens and is asked for
	// the person with a userinfo call; oidc where empty.
	Type string `mapstructure:"type"`
	// Issuer of the provider; for oauth2 the name that its subjects are known by.
	Issuer string `mapstructure:"issuer"`
	// ClientID is what the provider calls us.
	ClientID string `mapstructure:"client_id"`
	// ClientSecretFile holds our secret at the provider; empty for a public client.
	ClientSecretFile string `mapstructure:"client_secret_file"`
	// ClientAuth is client_secret_basic, client_secret_post or none; where empty
	// client_secret_basic with a secret and none without.
	ClientAuth string `mapstructure:"client_auth"`
	// Scopes that are asked for; for oidc openid is always among them.
	Scopes []string `mapstructure:"scopes"`
	// Prompt is sent with every sign-in, such as consent, where a provider gives
	// refresh tokens only then.
	Prompt string `mapstructure:"prompt"`
	// Algorithms of ID tokens and logout tokens; RS256, PS256, ES256 and EdDSA where
	// empty.
	Algorithms []string `mapstructure:"algorithms"`
	// AuthURL, TokenURL and UserinfoURL are the endpoints of an oauth2 provider; one
	// of type oidc says itself where they are.
	AuthURL string `mapstructure:"auth_url"`
	// TokenURL is where codes are exchanged.
	TokenURL string `mapstructure:"token_url"`
	// UserinfoURL is where the person is asked for.
	UserinfoURL string `mapstructure:"userinfo_url"`
	// SubjectClaim names the member of the userinfo answer that never changes for a
	// person; id where empty. For oidc it is always sub.
	SubjectClaim string `mapstructure:"subject_claim"`
	// ScopeClaim names a claim, such as groups, whose values become scopes that
	// routes can ask for.
	ScopeClaim string `mapstructure:"scope_claim"`
	// Grant lists scopes that everybody has who signs in here.
	Grant []string `mapstructure:"grant"`
	// ACRValues lists the authentication contexts that the provider can give, and no
	// other counts; empty where that is not known.
	ACRValues []string `mapstructure:"acr_values"`
	// AuthTime is claim where the provider says when a person proved himself, or
	// callback to take the time at which he came back, which is weaker: a provider
	// that knows him still may not have asked, so that it keeps no route's max_age,
	// does no step-up and meets no posture that asks for one. Where empty claim for oidc and callback for oauth2.
	AuthTime string `mapstructure:"auth_time"`
	// EmailDomains lists the domains, such as example.com, for whose addresses the
	// provider is trusted when it says that they are verified: it alone gives them out,
	// or it asks their holders. Only for a tenant with a linking rule.
	EmailDomains []string `mapstructure:"email_domains"`
	// Tenant that the provider's people belong to; "default" where empty.
	Tenant string `mapstructure:"tenant"`
}

// DefaultConfig lets nobody sign in.
func DefaultConfig() Config {
	return Config{
		Prefix: "/.vigil/", IdleTimeout: 30 * time.Minute, AbsoluteTimeout: 12 * time.Hour, StaleMax: time.Hour, SessionsMax: 100_000,
		KeysMinInterval: 30 * time.Second, SecondFactor: SecondFactor{EnrolWithin: 5 * time.Minute},
	}
}

// Enabled reports whether people can sign in.
func (c Config) Enabled() bool { return len(c.Providers) > 0 }

// Validate reports every fault at once, each named by its key. It reads no file.
func (c Config) Validate() error {
	if !c.Enabled() {
		return nil
	}
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	err := checkOrigin(c.ExternalURL)
	if err != nil {
		add("external_url: %w", err)
	}
	u, err := url.Parse(c.ExternalURL)
	if err == nil && c.CookieDomain != "" && c.CookieDomain != u.Hostname() {
		add("cookie_domain: %q is too wide; our cookies are for %q alone, since others under a domain could read or plant them", c.CookieDomain, u.Hostname())
	}
	if !regexp.MustCompile(`^/[A-Za-z0-9._-]+/$`).MatchString(c.Prefix) || c.Prefix == "/../" || c.Prefix == "/./" {
		add("prefix: must be one segment between two slashes, is %q", c.Prefix)
	}
	if c.KeyRingFile == "" {
		add("key_ring_file: is required")
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"idle_timeout", c.IdleTimeout}, {"absolute_timeout", c.AbsoluteTimeout}, {"stale_max", c.StaleMax}} {
		if d.value < time.Minute {
			add("%s: must be at least a minute, is %s", d.key, d.value)
		}
	}
	if c.IdleTimeout > c.AbsoluteTimeout {
		add("idle_timeout: must not be longer than absolute_timeout, which is %s, is %s", c.AbsoluteTimeout, c.IdleTimeout)
	}
	if c.KeysMinInterval < time.Second {
		add("keys_min_interval: must be at least a second, is %s", c.KeysMinInterval)
	}
	if c.SessionsMax < 1 {
		add("sessions_max: must be at least 1, is %d", c.SessionsMax)
	}
	if len(c.Providers) > ProvidersMax {
		add("providers: at most %d are allowed, there are %d", ProvidersMax, len(c.Providers))
	}
	return errors.Join(slices.Concat(errs, []error{c.SecondFactor.validate()}, c.providerFaults(), c.linkingFaults(), c.peerFaults())...)
}

// providerFaults reports what is wrong with the providers, each fault with its key.
func (c Config) providerFaults() []error {
	var errs []error
	ids, issuers := make(map[string]int), make(map[string]int)
	for i, p := range c.Providers {
		for _, err := range p.faults(c.AllowPrivate) {
			errs = append(errs, fmt.Errorf("providers[%d].%w", i, err))
		}
		for _, own := range c.SecondFactor.ACRValues() {
			if slices.Contains(p.ACRValues, own) {
				errs = append(errs, fmt.Errorf("providers[%d].acr_values: %q is that of login.second_factor, and no provider is believed that it has given it: give ours another name", i, own))
			}
		}
		first, dup := ids[p.ID]
		if dup {
			errs = append(errs, fmt.Errorf("providers[%d].id: %q is also that of providers[%d]", i, p.ID, first))
		}
		first, dup = issuers[p.Issuer]
		if dup {
			errs = append(errs, fmt.Errorf("providers[%d].issuer: %q is also that of providers[%d]: who answers must be beyond doubt", i, p.Issuer, first))
		}
		ids[p.ID], issuers[p.Issuer] = i, i
	}
	return errs
}

func (c Config) peerFaults() []error {
	var errs []error
	seen := make(map[string]int)
	for i, p := range c.Peers {
		_, dup := seen[p.ID]
		if p.ID == "" || dup {
			errs = append(errs, fmt.Errorf("peers[%d].id: must be set, and the only one with its value", i))
		}
		seen[p.ID] = i
		err := checkEndpoint(p.URL, c.AllowPrivate)
		if err != nil {
			errs = append(errs, fmt.Errorf("peers[%d].url: %w", i, err))
			continue
		}
		u, err := url.Parse(p.URL)
		if err == nil && u.Path != "" && u.Path != "/" {
			errs = append(errs, fmt.Errorf("peers[%d].url: must have no path, is %q", i, p.URL))
		}
	}
	return errs
}

// faults reports what is wrong with one provider, each fault prefixed by its key.
func (p Provider) faults(allowPrivate bool) []error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`).MatchString(p.ID) {
		add("id: must be lower-case letters, digits and hyphens, is %q", p.ID)
	}
	if p.ClientID == "" {
		add("client_id: is required")
	}
	if p.Issuer == "" {
		add("issuer: is required")
	}
	if !slices.Contains([]string{"", ClientAuthBasic, ClientAuthPost, ClientAuthNone}, p.ClientAuth) {
		add("client_auth: must be %s, %s or %s, is %q", ClientAuthBasic, ClientAuthPost, ClientAuthNone, p.ClientAuth)
	}
	if (p.ClientAuth == ClientAuthBasic || p.ClientAuth == ClientAuthPost) && p.ClientSecretFile == "" {
		add("client_secret_file: is required for %s", p.ClientAuth)
	}
	if !slices.Contains([]string{"", AuthTimeClaim, AuthTimeCallback}, p.AuthTime) {
		add("auth_time: must be %s or %s, is %q", AuthTimeClaim, AuthTimeCallback, p.AuthTime)
	}
	switch p.Type {
	case "", TypeOIDC:
		err := checkEndpoint(p.Issuer, allowPrivate)
		if err != nil && p.Issuer != "" {
			add("issuer: %w", err)
		}
		if p.AuthURL != "" || p.TokenURL != "" || p.UserinfoURL != "" || p.SubjectClaim != "" {
			add("type: auth_url, token_url, userinfo_url and subject_claim are for %s", TypeOAuth2)
		}
	case TypeOAuth2:
		for _, e := range []struct{ key, value string }{
			{"auth_url", p.AuthURL}, {"token_url", p.TokenURL}, {"userinfo_url", p.UserinfoURL},
		} {
			if e.value == "" {
				add("%s: is required for %s", e.key, TypeOAuth2)
				continue
			}
			err := checkEndpoint(e.value, allowPrivate)
			if err != nil {
				add("%s: %w", e.key, err)
			}
		}
		if p.AuthTime == AuthTimeClaim {
			add("auth_time: a provider of type %s does not say it", TypeOAuth2)
		}
		if len(p.ACRValues) > 0 {
			add("acr_values: a provider of type %s cannot give one", TypeOAuth2)
		}
	default:
		add("type: must be %s or %s, is %q", TypeOIDC, TypeOAuth2, p.Type)
	}
	return errs
}

// checkEndpoint refuses what a secret must not be sent to.
func checkEndpoint(raw string, allowPrivate bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fmt.Errorf("is not a URL: %w", err)
	case u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("must have a host, and neither user nor fragment, is %q", raw)
	case u.Scheme != "https" && (u.Scheme != "http" || !allowPrivate):
		return fmt.Errorf("must be https, is %q", raw)
	}
	return nil
}

// checkOrigin accepts scheme and host. Only a browser's own machine is trusted
// without TLS: elsewhere it would not keep our cookies.
func checkOrigin(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return fmt.Errorf("is not a URL: %w", err)
	}
	if u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.Host != strings.ToLower(u.Host) {
		return fmt.Errorf("must be scheme and lower-case host without a path, is %q", raw)
	}
	if u.Scheme == "https" || u.Scheme == "http" && local(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("must be https, is %q", raw)
}

func local(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// defaults fills in what may be left out.
func (p Provider) defaults() Provider {
	if p.Type == "" {
		p.Type = TypeOIDC
	}
	if p.Name == "" {
		p.Name = p.ID
	}
	if p.ClientAuth == "" {
		p.ClientAuth = ClientAuthNone
		if p.ClientSecretFile != "" {
			p.ClientAuth = ClientAuthBasic
		}
	}
	if p.AuthTime == "" {
		p.AuthTime = AuthTimeClaim
		if p.Type == TypeOAuth2 {
			p.AuthTime = AuthTimeCallback
		}
	}
	if p.SubjectClaim == "" {
		p.SubjectClaim = "id"
	}
	if p.Type == TypeOIDC && !slices.Contains(p.Scopes, "openid") {
		p.Scopes = append([]string{"openid"}, p.Scopes...)
	}
	p.Tenant = tenantOf(p.Tenant)
	return p
}

// tenantOf is a tenant's name with its default.
func tenantOf(name string) string {
	if name == "" {
		return "default"
	}
	return name
}
