package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// life is how long a certificate holds, and has held already.
const life = time.Hour

// Authority signs certificates.
type Authority struct{ pair Pair }

// New returns an authority of a name.
func New(tb testing.TB, name string) Authority {
	tb.Helper()
	return Authority{issue(tb, nil, func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.BasicConstraintsValid = pkix.Name{CommonName: name}, true, true
		c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageCertSign, nil
	})}
}

// PEM is the authority's own certificate, a trust bundle.
func (a Authority) PEM() []byte {
	cert, _ := a.pair.PEM()
	return cert
}

// Pool trusts the authority.
func (a Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.pair.Leaf)
	return pool
}

// Pair is the authority's certificate with its key, which nobody should have.
func (a Authority) Pair() Pair { return a.pair }

// Issue makes a certificate, good for servers and clients, as change says.
func (a Authority) Issue(tb testing.TB, change ...func(*x509.Certificate)) Pair {
	tb.Helper()
	return issue(tb, &a.pair, change...)
}

// SelfSigned makes a certificate that nobody has signed but itself.
func SelfSigned(tb testing.TB, change ...func(*x509.Certificate)) Pair {
	tb.Helper()
	return issue(tb, nil, change...)
}

// Names gives a certificate DNS names, the first of which is its common name as well.
func Names(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = names, names[0] }
}

// Pair is a certificate with its key.
type Pair struct{ tls.Certificate }

// PEM is both in the form of files.
func (p Pair) PEM() (cert, key []byte) {
	der, err := x509.MarshalPKCS8PrivateKey(p.PrivateKey)
	if err != nil {
		panic(err) // Cannot happen: the key is ours.
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Leaf.Raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Files writes both into dir.
func (p Pair) Files(tb testing.TB, dir string) (certFile, keyFile string) {
	tb.Helper()
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	cert, key := p.PEM()
	for name, b := range map[string][]byte{certFile: cert, keyFile: key} {
		err := os.WriteFile(name, b, 0o600)
		if err != nil {
			tb.Fatal(err)
		}
	}
	return certFile, keyFile
}

// issue makes a certificate that by signs, itself where by is nil.
func issue(tb testing.TB, by *Pair, change ...func(*x509.Certificate)) Pair {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		tb.Fatal(err)
	}
	now := time.Now() //nolint:forbidigo // Whoever checks it goes by the wall clock.
	c := &x509.Certificate{
		SerialNumber: serial, NotBefore: now.Add(-life), NotAfter: now.Add(life), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, f := range change {
		f(c)
	}
	parent, signer := c, key
	if by != nil {
		parent = by.Leaf
		signer, _ = by.PrivateKey.(*ecdsa.PrivateKey) // As it was made here.
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		tb.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return Pair{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}
}
