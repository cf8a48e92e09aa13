package gateway

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/login"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// promises reports what routes ask for and nobody who is configured can give.
func (c Config) promises() error {
	var errs []error
	given, silent := c.acrSaid()
	known := len(silent) == 0 && len(c.Identity.Issuers) > 0 // Where there is no issuer, assurance speaks for the providers.
	certificates := c.Listen.TLS.ClientAuth != ""
	for i, r := range c.Routes {
		if known && len(r.ACR) > 0 && !slices.ContainsFunc(r.ACR, func(acr string) bool { return slices.Contains(given, acr) }) {
			errs = append(errs, fmt.Errorf("routes[%d].acr: nobody can give any of %q; what can be given is %q", i, r.ACR, given))
		}
		if len(r.Binding) == 1 && r.Binding[0] == event.BindingMTLS && !certificates {
			errs = append(errs, fmt.Errorf("routes[%d].binding: mtls, and listen.tls.client_auth asks nobody for a certificate", i))
		}
		if len(r.Binding) == 1 && r.Binding[0] == event.BindingCookie && !c.Login.Enabled() {
			errs = append(errs, fmt.Errorf("routes[%d].binding: cookie, and nobody signs in here: login.providers is empty", i))
		}
	}
	for i, is := range c.Identity.Issuers {
		if len(is.Binding) == 1 && is.Binding[0] == event.BindingMTLS && !certificates {
			errs = append(errs, fmt.Errorf("identity.issuers[%d].binding: mtls, and listen.tls.client_auth asks nobody for a certificate", i))
		}
	}
	if len(c.Identity.Certificates) > 0 && !certificates {
		errs = append(errs, errors.New("identity.certificates: listen.tls.client_auth asks nobody for a certificate"))
	}
	return errors.Join(append(errs, c.pins(), c.signIns())...)
}

// signIns reports what signing in leaves without effect: a route where our own pages
// are, and peers of which this gateway is none.
func (c Config) signIns() error {
	if !c.Login.Enabled() {
		return nil
	}
	var errs []error
	for i, r := range c.Routes {
		if strings.HasPrefix(r.Path+"/", c.Login.Prefix) {
			errs = append(errs, fmt.Errorf("routes[%d].path: %s is never served by a route: what is below login.prefix, %s, are the gateway's own pages", i, r.Path, c.Login.Prefix))
		}
	}
	if len(c.Login.Peers) > 0 && !slices.ContainsFunc(c.Login.Peers, func(p login.Peer) bool { return p.ID == c.ID }) {
		errs = append(errs, fmt.Errorf("login.peers: lists all gateways that share the key ring, and this one, %q, is missing", c.ID))
	}
	return errors.Join(errs...)
}

// pins reports the upstreams that must be somebody in particular and that no route
// calls so, or one calls with a port more or less: whoever has mistyped one would believe
// that it is checked.
func (c Config) pins() error {
	var errs []error
	withPort := func(host string) string { return strings.TrimSuffix(strings.ToLower(host), ":443") + ":443" }
	for i, pin := range c.Proxy.UpstreamTLS {
		for j, r := range c.Routes {
			u, err := url.Parse(r.Upstream)
			if err == nil && u.Scheme == "https" && withPort(u.Host) == withPort(pin.Host) && !strings.EqualFold(u.Host, pin.Host) {
				errs = append(errs, fmt.Errorf("routes[%d].upstream: write %s as proxy.upstream_tls[%d].host does, %s, or nobody is checked there", j, u.Host, i, pin.Host))
			}
		}
		called := slices.ContainsFunc(c.Routes, func(r route.Spec) bool {
			u, err := url.Parse(r.Upstream)
			return err == nil && u.Scheme == "https" && strings.EqualFold(u.Host, pin.Host)
		})
		if !called && !strings.Contains(pin.Host, "/") { // What is no host at all is said elsewhere.
			errs = append(errs, fmt.Errorf("proxy.upstream_tls[%d].host: no route calls https://%s, so that nobody would be checked", i, pin.Host))
		}
	}
	return errors.Join(errs...)
}

// upstreamSide is the proxy's configuration. An API key is for the gateway alone:
// an upstream that saw it could use it. And a fingerprint that only trusted proxies
// may claim must not reach an upstream from anybody else.
func (c Config) upstreamSide() proxy.Config {
	p := c.Proxy
	if c.Identity.APIKeys.KeysFile != "" {
		p.StripHeaders = append(slices.Clip(p.StripHeaders), c.Identity.APIKeys.Header)
	}
	if c.Origin.JA4Header != "" {
		p.StripHeaders = append(slices.Clip(p.StripHeaders), c.Origin.JA4Header)
	}
	return p
}

// Warnings names what is allowed and hardly meant, each by its key: what nobody who says
// what he can give can give, and what a provider cannot prove.
func (c Config) Warnings() []string {
	var out []string
	warn := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	own := c.Login.SecondFactor
	given, silent := c.acrSaid()
	if len(given) > 0 && len(silent) > 0 { // Where nobody says anything there is nothing to compare with.
		for i, r := range c.Routes {
			if len(r.ACR) > 0 && !slices.ContainsFunc(r.ACR, func(acr string) bool { return slices.Contains(given, acr) }) {
				warn("routes[%d].acr: nobody says that he can give any of %q; what is said to be given is %q, and %q say nothing (acr_values)", i, r.ACR, given, silent)
			}
		}
	}
	methods := len(c.Identity.Issuers) > 0 || slices.ContainsFunc(c.Login.Providers, func(p login.Provider) bool { return p.Type != login.TypeOAuth2 })
	for i, r := range c.Routes {
		for _, m := range r.AMR {
			if !methods && (m != login.MethodKey || own.ACR == "") && (m != login.MethodCode || own.CodeACR == "") {
				warn("routes[%d].amr: nobody can give %q", i, m)
			}
		}
	}
	if c.proofsForAnyHost() {
		warn("identity.dpop.origins: is empty, and some route takes every host: whoever is shown a proof for a host of his own can use it here by naming that host; name the origins of this gateway")
	}
	for i, p := range c.Login.Providers {
		if (p.Type == login.TypeOAuth2 || p.AuthTime == login.AuthTimeCallback) && own.ACR == "" && own.CodeACR == "" {
			warn("login.providers[%d].type: it does not say when it has asked a person anew, and login.second_factor is off: "+
				"whom a verdict asks to step up stays refused until it lapses or an operator restores him, and nobody who signs in there keeps a route's max_age or meets the posture step_up", i)
		}
	}
	if len(c.Routes) == 0 {
		warn("routes: is empty, so that every request is answered 404")
	}
	credentials := len(c.Identity.Issuers)+len(c.Identity.Certificates)+len(c.Login.Providers) > 0 || c.Identity.APIKeys.KeysFile != ""
	if !credentials && slices.ContainsFunc(c.Routes, func(r route.Spec) bool { return !r.Public }) {
		warn("identity.issuers: is empty, as are api_keys, certificates and login.providers: nobody can say who he is, and only public routes answer")
	}
	if c.Login.ExternalURL != "" && !c.Login.Enabled() {
		warn("login.providers: is empty, so that nobody signs in here and login.external_url has no effect")
	}
	return out
}

// proofsForAnyHost reports whether DPoP proofs are asked for whose host is whatever the
// request says (RFC 9449, section 4.3).
func (c Config) proofsForAnyHost() bool {
	asked := slices.ContainsFunc(c.Identity.Issuers, func(is identity.Issuer) bool {
		return is.DPoPNonce || slices.Contains(is.Binding, event.BindingDPoP)
	}) || slices.ContainsFunc(c.Routes, func(r route.Spec) bool { return slices.Contains(r.Binding, event.BindingDPoP) })
	return asked && len(c.Identity.DPoP.Origins) == 0 && slices.ContainsFunc(c.Routes, func(r route.Spec) bool { return r.Host == "" })
}

// acrSaid lists the authentication contexts that somebody says he can give, and those
// issuers and providers that may give some and do not say which.
func (c Config) acrSaid() (given, silent []string) {
	for _, is := range c.Identity.Issuers {
		given = append(given, is.ACRValues...)
		if len(is.ACRValues) == 0 {
			silent = append(silent, is.Issuer)
		}
	}
	for _, p := range c.Login.Providers {
		given = append(given, p.ACRValues...)
		if len(p.ACRValues) == 0 && p.Type != login.TypeOAuth2 {
			silent = append(silent, p.Issuer)
		}
	}
	if c.Login.Enabled() {
		given = append(given, c.Login.SecondFactor.ACRValues()...)
	}
	slices.Sort(given)
	return slices.Compact(given), silent
}
