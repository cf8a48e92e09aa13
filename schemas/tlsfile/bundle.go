package tlsfile

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Bundle is the certificates of authorities that are trusted.
type Bundle struct{ file watched[*x509.CertPool] }

// OpenBundle reads certificates in PEM. The error names the file. One with anything
// else in it, or with none, is refused: half a bundle locks people out.
func OpenBundle(caFile string, o Options) (*Bundle, error) {
	b := &Bundle{file: watched[*x509.CertPool]{options: o, names: []string{caFile}}}
	b.file.make = func(content [][]byte) (*x509.CertPool, error) {
		pool, err := parseBundle(content[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", caFile, err)
		}
		return pool, nil
	}
	err := b.file.open()
	if err != nil {
		return nil, err
	}
	return b, nil
}

// parseBundle reads certificates in PEM and nothing else.
func parseBundle(text []byte) (*x509.CertPool, error) {
	pool, n := x509.NewCertPool(), 0
	for len(bytes.TrimSpace(text)) > 0 {
		var block *pem.Block
		block, text = pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("has what is no PEM behind %d certificates; only certificates belong there", n)
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("has a %s behind %d certificates; only certificates belong there", block.Type, n)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", n+1, err)
		}
		pool.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil, errors.New("has no certificate")
	}
	return pool, nil
}

// Pool returns the authorities in force; it must not be changed.
func (b *Bundle) Pool() *x509.CertPool { return b.file.get() }

// VerifyServer checks the certificate that a server has shown: its chain ends
// in the bundle, it is good for a server, and it is the one that is meant.
// Where identity is a SPIFFE id the certificate's only URI must be equal to it
// (X509-SVID, sections 2 and 5.2); else it is a DNS name or an IP address that
// the certificate must be valid for.
func (b *Bundle) VerifyServer(state tls.ConnectionState, identity string) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("tls: server has shown no certificate")
	}
	leaf := state.PeerCertificates[0]
	o := x509.VerifyOptions{Roots: b.Pool(), Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, c := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	spiffe := strings.HasPrefix(identity, spiffeScheme)
	if !spiffe {
		o.DNSName = identity
	}
	_, err := leaf.Verify(o)
	if err != nil {
		return fmt.Errorf("tls: verify server: %w", err)
	}
	if spiffe && (len(leaf.URIs) != 1 || leaf.URIs[0].String() != identity) {
		return fmt.Errorf("tls: server is not %s", identity)
	}
	return nil
}

const spiffeScheme = "spiffe://"

// CheckIdentity reports why identity is no name that [Bundle.VerifyServer] can
// look for.
func CheckIdentity(identity string) error {
	if !strings.Contains(identity, "://") {
		if identity == "" || strings.ContainsAny(identity, "/ *:@") {
			return fmt.Errorf("%q is neither a SPIFFE id nor a DNS name", identity)
		}
		return nil
	}
	u, err := url.Parse(identity)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a SPIFFE id: %w", identity, err)
	case u.Scheme != "spiffe" || u.Host == "" || u.Path == "" || strings.HasSuffix(u.Path, "/"):
		return fmt.Errorf("%q is not a SPIFFE id: it has the form spiffe://trust-domain/path", identity)
	case u.Port() != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.String() != identity:
		return fmt.Errorf("%q is not a SPIFFE id: it has no port, user, query or fragment", identity)
	}
	return nil
}
