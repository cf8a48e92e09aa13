package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// certificate is one of a client, as a listener has verified it.
func certificate(t *testing.T, change ...func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"},
		NotBefore: time.Unix(clock-3600, 0), NotAfter: time.Unix(clock+3600, 0),
	}
	for _, f := range change {
		f(c)
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, c, key.Public(), key))))
}

func spiffe(ids ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		for _, id := range ids {
			c.URIs = append(c.URIs, must(url.Parse(id)))
		}
	}
}

func dns(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

// over is r on a connection with a verified certificate.
func over(cert *x509.Certificate, r *http.Request) *http.Request {
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, VerifiedChains: [][]*x509.Certificate{{cert}}}
	return r
}

func x5t(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return b64bytes(sum[:])
}

func anonymous() *http.Request {
	return &http.Request{Method: "GET", URL: must(url.Parse("/orders")), Host: "api.test", Header: http.Header{}}
}

// takesCertificates believes those of one trust domain and of some DNS names.
func takesCertificates(o *identity.Options) {
	o.Config.Certificates = []identity.Certificate{
		{TrustDomain: "example.org", Tenant: "acme", Scopes: []string{"read"}},
		{DNS: "*.jobs.example", Kind: event.SubjectAgent},
		{DNS: "batch.example"},
	}
}

func TestCertificateIsAnIdentity(t *testing.T) {
	v, n := verifier(t, takesCertificates), names(t)
	const id = "spiffe://example.org/ns/prod/billing"
	cert := certificate(t, spiffe(id))
	got, err := v.Verify(t.Context(), over(cert, anonymous()), home)
	want := identity.Identity{
		Tenant: "acme", Issuer: "spiffe://example.org", Subject: n.Subject("spiffe://example.org", id),
		Session: n.Session("spiffe://example.org", x5t(cert)), TokenID: n.Token("spiffe://example.org", x5t(cert)), ClientID: id,
		Scopes: []string{"read"}, IssuedAt: cert.NotBefore, Expires: cert.NotAfter, Binding: event.BindingMTLS, Device: x5t(cert), Method: identity.MethodMTLS, Kind: event.SubjectService,
	}
	if diff := cmp.Diff(&want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	agent, err := v.Verify(t.Context(), over(certificate(t, dns("NIGHT.jobs.example")), anonymous()), home)
	if err != nil || agent.Kind != event.SubjectAgent || agent.ClientID != "night.jobs.example" || agent.Tenant != "default" {
		t.Errorf("a DNS name: %+v, %v", agent, err)
	}
}

func TestCertificateAttacks(t *testing.T) {
	v := verifier(t, takesCertificates)
	tests := map[string]struct {
		cert *x509.Certificate
		want string
	}{
		"another trust domain":             {certificate(t, spiffe("spiffe://evil.org/billing")), identity.CodeCertificate},
		"a trust domain that ends as ours": {certificate(t, spiffe("spiffe://evil.example.org/billing")), identity.CodeCertificate},
		"two SPIFFE ids":                   {certificate(t, spiffe("spiffe://example.org/a", "spiffe://example.org/b")), identity.CodeCertificate},
		"an authority that acts":           {certificate(t, spiffe("spiffe://example.org/a"), func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), identity.CodeCertificate},
		"no workload":                      {certificate(t, spiffe("spiffe://example.org")), identity.CodeCertificate},
		"a path with dots":                 {certificate(t, spiffe("spiffe://example.org/a/../b")), identity.CodeCertificate},
		"a path with an escape":            {certificate(t, spiffe("spiffe://example.org/a%2Fb")), identity.CodeCertificate},
		"a port":                           {certificate(t, spiffe("spiffe://example.org:1/a")), identity.CodeCertificate},
		"a query":                          {certificate(t, spiffe("spiffe://example.org/a?b")), identity.CodeCertificate},
		"another scheme":                   {certificate(t, spiffe("https://example.org/a")), identity.CodeCertificate},
		"a common name alone":              {certificate(t, func(c *x509.Certificate) { c.Subject.CommonName = "batch.example" }), identity.CodeCertificate},
		"two names that are ours":          {certificate(t, dns("a.jobs.example", "b.jobs.example")), identity.CodeCertificate},
		"a wildcard certificate":           {certificate(t, dns("*.jobs.example")), identity.CodeCertificate},
		"the name without what is before":  {certificate(t, dns("jobs.example")), identity.CodeCertificate},
		"it expired on the connection":     {certificate(t, spiffe("spiffe://example.org/a"), func(c *x509.Certificate) { c.NotAfter = time.Unix(clock-1, 0) }), identity.CodeCertificateExpired},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := outcome(t.Context(), v, over(tt.cert, anonymous())); got != tt.want {
				t.Errorf("Verify() = %s, want %s", got, tt.want)
			}
		})
	}
	unverified := over(certificate(t, spiffe("spiffe://example.org/a")), anonymous())
	unverified.TLS.VerifiedChains = nil
	if got := outcome(t.Context(), v, unverified); got != identity.ErrNone.Error() {
		t.Errorf("a certificate that nobody has verified: %s", got)
	}
	known := over(certificate(t, spiffe("spiffe://example.org/a")), anonymous())
	if got := outcome(t.Context(), verifier(t), known); got != identity.ErrNone.Error() {
		t.Errorf("where no certificate is an identity: %s", got)
	}
}

// Where a bundle holds several trust domains, the authority of one must not speak
// for another.
func TestCertificateOfAnotherAuthority(t *testing.T) {
	root, other := certificate(t), certificate(t)
	sum := sha256.Sum256(root.Raw)
	fingerprint := strings.ToUpper(hex.EncodeToString(sum[:]))
	v := verifier(t, func(o *identity.Options) {
		o.Config.Certificates = []identity.Certificate{{TrustDomain: "example.org", Authorities: []string{fingerprint[:2] + ":" + fingerprint[2:]}}}
	})
	by := func(root *x509.Certificate) *http.Request {
		r := over(certificate(t, spiffe("spiffe://example.org/a")), anonymous())
		r.TLS.VerifiedChains = [][]*x509.Certificate{{r.TLS.PeerCertificates[0], root}}
		return r
	}
	if got := outcome(t.Context(), v, by(root)); got != "ok" {
		t.Errorf("its own authority: %s", got)
	}
	if got := outcome(t.Context(), v, by(other)); got != identity.CodeCertificate {
		t.Errorf("another authority of the bundle: %s", got)
	}
}

// A token that is bound to a certificate (RFC 8705) is good on a connection with
// that certificate alone.
func TestCertificateBoundToken(t *testing.T) {
	k, v := loadKeys(t), verifier(t)
	cert, other := certificate(t), certificate(t)
	bound := func(c *x509.Certificate) string {
		return k.sign(header, swap(claims, `"jti"`, `"cnf":{"x5t#S256":"`+x5t(c)+`"},"jti"`))
	}
	id, err := v.Verify(t.Context(), over(cert, shown("Bearer", bound(cert))), home)
	if err != nil || id.Binding != event.BindingMTLS || id.Device != x5t(cert) || id.Subject != names(t).Subject(issuer, "alice") {
		t.Errorf("its own connection: %+v, %v", id, err)
	}
	for name, tt := range map[string]struct {
		request *http.Request
		want    string
	}{
		"no certificate":                  {shown("Bearer", bound(cert)), identity.CodeBound},
		"no TLS":                          {bearer(bound(cert)), identity.CodeBound},
		"another certificate":             {over(other, shown("Bearer", bound(cert))), identity.CodeBound},
		"shown as if it had a DPoP key":   {over(cert, shown("DPoP", bound(cert), newProver().proof(bound(cert)))), identity.CodeNotBound},
		"a certificate beside a token":    {over(other, shown("Bearer", k.sign(header, claims))), "ok"},
		"a token that is bound to nobody": {over(cert, shown("Bearer", k.sign(header, swap(claims, `"jti"`, `"cnf":{},"jti"`)))), identity.CodeBound},
	} {
		if got := outcome(t.Context(), v, tt.request); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	for name, tt := range map[string]struct {
		request *http.Request
		theft   bool
	}{
		"no certificate where one could be": {shown("Bearer", bound(cert)), true},
		"no TLS of ours":                    {bearer(bound(cert)), false},
	} {
		_, err := v.Verify(t.Context(), tt.request, home)
		e, _ := errors.AsType[*identity.Error](err)
		if (e.Stolen != nil) != tt.theft {
			t.Errorf("%s: stolen is %v", name, e.Stolen)
		}
	}
	only := verifier(t, func(o *identity.Options) { o.Config.Issuers[0].Binding = []string{event.BindingMTLS} })
	if got := outcome(t.Context(), only, over(cert, shown("Bearer", k.sign(header, claims)))); got != identity.CodeNotBound {
		t.Errorf("an issuer that binds: %s", got)
	}
	// A token with both: the certificate and the proof.
	p := newProver()
	both := k.sign(header, swap(claims, `"jti"`, `"cnf":{"jkt":"`+p.jkt()+`","x5t#S256":"`+x5t(cert)+`"},"jti"`))
	if got := outcome(t.Context(), v, over(cert, shown("DPoP", both, p.proof(both)))); got != "ok" {
		t.Errorf("both keys: %s", got)
	}
}
