package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// promises reports what routes ask for and nobody who is configured can give.
func (c Config) promises() error {
	var errs []error
	given, known := c.acrGiven()
	certificates := c.Listen.TLS.ClientAuth != ""
	for i, r := range c.Routes {
		for j, acr := range r.ACR {
			if known && !slices.Contains(given, acr) {
				errs = append(errs, fmt.Errorf("routes[%d].acr[%d]: no issuer can give %q; they give %s", i, j, acr, strings.Join(given, ", ")))
			}
		}
		if len(r.Binding) == 1 && r.Binding[0] == event.BindingMTLS && !certificates {
			errs = append(errs, fmt.Errorf("routes[%d].binding: mtls, and listen.tls.client_auth asks nobody for a certificate", i))
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
	return errors.Join(errs...)
}

// acrGiven lists the authentication contexts that the issuers can give; known is
// false where one of them does not say.
func (c Config) acrGiven() (given []string, known bool) {
	for _, is := range c.Identity.Issuers {
		if len(is.ACRValues) == 0 {
			return nil, false
		}
		given = append(given, is.ACRValues...)
	}
	slices.Sort(given)
	return slices.Compact(given), len(c.Identity.Issuers) > 0
}

// upstreamSide is the proxy's configuration. An API key is for the gateway alone:
// an upstream that saw it could use it.
func (c Config) upstreamSide() proxy.Config {
	p := c.Proxy
	if c.Identity.APIKeys.KeysFile != "" {
		p.StripHeaders = append(slices.Clip(p.StripHeaders), c.Identity.APIKeys.Header)
	}
	return p
}
