package broker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificateLife is how long certificates of an [Authority] hold.
const certificateLife = 90 * 24 * time.Hour

// Authority signs certificates for trying TLS on this machine. Its key lives as
// long as the process.
type Authority struct {
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// NewAuthority makes an authority and writes its certificate to CAFile in dir.
func NewAuthority(dir string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	a := &Authority{dir: dir, key: key}
	a.cert, err = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority of " + filepath.Base(dir)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, key)
	if err != nil {
		return nil, err
	}
	return a, a.write(a.CAFile(), block("CERTIFICATE", a.cert.Raw))
}

// CAFile holds the authority's certificate.
func (a *Authority) CAFile() string { return filepath.Join(a.dir, "ca.pem") }

// Issue writes a certificate for CN=name, good for servers at hosts and for
// clients, and its key; both in PEM. NAME.both.pem beside them holds key and
// certificate, as Kafka wants them.
func (a *Authority) Issue(name string, hosts ...string) (certFile, keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("issue certificate: %w", err)
	}
	c := &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	signed, err := a.sign(c, a.cert, key)
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("issue certificate: %w", err)
	}
	certFile, keyFile = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key.pem")
	secret, public := block("PRIVATE KEY", der), block("CERTIFICATE", signed.Raw)
	return certFile, keyFile, errors.Join(
		a.write(certFile, public), a.write(keyFile, secret), a.write(filepath.Join(a.dir, name+".both.pem"), append(secret, public...)))
}

// sign signs a certificate with the authority's key; its own where by is nil.
func (a *Authority) sign(c, by *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	now := time.Now()
	c.SerialNumber, c.NotBefore, c.NotAfter = serial, now.Add(-time.Minute), now.Add(certificateLife)
	if by == nil {
		by = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

func (a *Authority) write(path string, b []byte) error {
	err := os.WriteFile(path, b, 0o600)
	if err != nil {
		return fmt.Errorf("write certificate: %w", err)
	}
	return nil
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
