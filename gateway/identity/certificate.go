package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// Certificate says who acts where a client shows a certificate and no token. The
// listener has checked that it leads to its trust bundle.
type Certificate struct {
	// TrustDomain takes certificates with a SPIFFE id of that trust domain, such
	// as example.org; the subject is the whole id.
	TrustDomain string `mapstructure:"trust_domain"`
	// DNS takes certificates with that DNS name, or with one below it for
	// *.example.org; the subject is the name.
	DNS string `mapstructure:"dns"`
	// Authorities are the SHA-256 fingerprints in hex, with colons or not, of the
	// roots that may vouch for these names. Where empty every authority of the
	// listener's trust bundle may: in a bundle of several trust domains name them,
	// or each can speak for the others.
	Authorities []string `mapstructure:"authorities"`
	// Tenant that the subjects belong to; "default" where empty.
	Tenant string `mapstructure:"tenant"`
	// Kind is human, service or agent; service where empty.
	Kind string `mapstructure:"kind"`
	// Scopes that they have.
	Scopes []string `mapstructure:"scopes"`
}

func (c Certificate) faults() []error {
	var errs []error
	if (c.TrustDomain == "") == (c.DNS == "") {
		errs = append(errs, errors.New("trust_domain: name it or dns, one of them"))
	}
	if c.TrustDomain != "" && !isTrustDomain(c.TrustDomain) {
		errs = append(errs, fmt.Errorf("trust_domain: %q is none: lower-case letters, digits, dots, hyphens and underscores", c.TrustDomain))
	}
	name := strings.TrimPrefix(c.DNS, "*.")
	if c.DNS != "" && (strings.ContainsAny(name, "*/: ") || strings.HasPrefix(name, ".") || !strings.Contains(name, ".") && name != c.DNS) {
		errs = append(errs, fmt.Errorf("dns: %q is neither a DNS name nor *. before one", c.DNS))
	}
	for i, a := range c.Authorities {
		raw, err := hex.DecodeString(plainHex(a))
		if err != nil || len(raw) != sha256.Size {
			errs = append(errs, fmt.Errorf("authorities[%d]: %q is not a SHA-256 fingerprint in hex", i, a))
		}
	}
	if c.Kind != "" && !slices.Contains(kinds(), c.Kind) {
		errs = append(errs, fmt.Errorf("kind: unknown value %q, must be one of %s", c.Kind, strings.Join(kinds(), ", ")))
	}
	return errs
}

// plainHex is a fingerprint as every tool can be brought to write it.
func plainHex(fingerprint string) string {
	return strings.ToLower(strings.ReplaceAll(fingerprint, ":", ""))
}

// vouched reports whether one of the chains ends in a root that may vouch for the
// rule's names.
func (c *Certificate) vouched(chains [][]*x509.Certificate) bool {
	if len(c.Authorities) == 0 {
		return true
	}
	return slices.ContainsFunc(chains, func(chain []*x509.Certificate) bool {
		sum := sha256.Sum256(chain[len(chain)-1].Raw)
		root := hex.EncodeToString(sum[:])
		return slices.ContainsFunc(c.Authorities, func(a string) bool { return plainHex(a) == root })
	})
}

// isTrustDomain reports whether s is a trust domain's name (SPIFFE-ID section 2.1).
func isTrustDomain(s string) bool {
	return s != "" && len(s) <= 255 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == ""
}

// spiffeID returns the trust domain and the text of a certificate's SPIFFE id.
// A certificate that has one has no other URI, and is no authority (X509-SVID
// sections 2 and 4.1).
func spiffeID(cert *x509.Certificate) (domain, id string, ok bool) {
	if len(cert.URIs) != 1 || cert.IsCA {
		return "", "", false
	}
	u := cert.URIs[0]
	if u.Scheme != "spiffe" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" ||
		!isTrustDomain(u.Host) || !isSPIFFEPath(u) || len(u.String()) > NameBytesMax {
		return "", "", false
	}
	return u.Host, u.String(), true
}

// isSPIFFEPath reports whether a path is one of a workload (SPIFFE-ID section 2.2).
func isSPIFFEPath(u *url.URL) bool {
	if !strings.HasPrefix(u.Path, "/") || u.RawPath != "" {
		return false
	}
	for segment := range strings.SplitSeq(u.Path[1:], "/") {
		plain := strings.Trim(segment, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")
		if segment == "" || segment == "." || segment == ".." || plain != "" {
			return false
		}
	}
	return true
}

// certificates decide by client certificates alone.
type certificates struct {
	rules []Certificate
	names event.Names
}

// shown reports whether the request comes with a certificate that the listener
// has verified.
func (c *certificates) shown(r *http.Request) bool {
	return r.TLS != nil && len(r.TLS.VerifiedChains) > 0
}

// verify returns who a certificate acts for. Where it names two that are ours,
// it names nobody.
func (c *certificates) verify(r *http.Request, now time.Time) (Identity, error) {
	cert, chains := r.TLS.PeerCertificates[0], r.TLS.VerifiedChains
	if now.After(cert.NotAfter) {
		// The connection is older than that: nobody looked again since.
		return Identity{}, fault(CodeCertificateExpired, "The client certificate has expired")
	}
	var rule *Certificate
	var name string
	domain, id, isSPIFFE := spiffeID(cert)
	for i := range c.rules {
		r := &c.rules[i]
		if !r.vouched(chains) {
			continue
		}
		if r.TrustDomain != "" {
			if isSPIFFE && domain == r.TrustDomain {
				return c.identity(r, "spiffe://"+domain, id, cert), nil
			}
			continue
		}
		for _, dns := range cert.DNSNames {
			dns = strings.ToLower(dns)
			if !r.takes(dns) || dns == name {
				continue
			}
			if name != "" {
				return Identity{}, fault(CodeCertificate, "The client certificate names several who could act")
			}
			rule, name = r, dns
		}
	}
	if rule == nil {
		return Identity{}, fault(CodeCertificate, "The client certificate names nobody who is known here")
	}
	return c.identity(rule, issuerDNS, name, cert), nil
}

// issuerDNS stands for an issuer in the pseudonyms of certificates with DNS names.
const issuerDNS = "vigil:certificates"

// takes reports whether a rule is for a DNS name.
func (c *Certificate) takes(dns string) bool {
	pattern := strings.ToLower(c.DNS)
	suffix, wild := strings.CutPrefix(pattern, "*")
	if wild {
		return strings.HasSuffix(dns, suffix) && len(dns) > len(suffix) && !strings.HasPrefix(dns, "*")
	}
	return dns == pattern
}

// identity is who a certificate acts for. Its session is the certificate itself.
func (c *certificates) identity(rule *Certificate, issuer, subject string, cert *x509.Certificate) Identity {
	x5t := certificateText(cert)
	id := Identity{
		Tenant: rule.Tenant, Issuer: issuer, ClientID: subject, Scopes: rule.Scopes, IssuedAt: cert.NotBefore, Expires: cert.NotAfter,
		Binding: event.BindingMTLS, Device: x5t, Method: MethodMTLS, Kind: rule.Kind,
	}
	if id.Tenant == "" {
		id.Tenant = tenantDefault
	}
	if id.Kind == "" {
		id.Kind = event.SubjectService
	}
	return Plain{Subject: subject, Token: x5t}.Identity(c.names, id)
}
