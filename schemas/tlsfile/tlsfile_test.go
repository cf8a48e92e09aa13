package tlsfile_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/tlsfile"
)

// selfSigned is a certificate with its key, in PEM.
func selfSigned(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func write(t *testing.T, path string, b []byte, at time.Time) {
	t.Helper()
	err := os.WriteFile(path, b, 0o600)
	if err == nil {
		err = os.Chtimes(path, at, at)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Files that are replaced come into force, and what cannot be used does not.
func TestFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var heard []bool
	o := tlsfile.Options{Now: func() time.Time { return now }, Changed: func(err error) { heard = append(heard, err == nil) }}
	_, err := tlsfile.OpenPair(certFile, keyFile, o)
	if err == nil {
		t.Fatal("a pair without files opens")
	}
	first, firstKey := selfSigned(t, 1)
	second, secondKey := selfSigned(t, 2)
	write(t, certFile, first, now)
	write(t, keyFile, firstKey, now)
	pair, err := tlsfile.OpenPair(certFile, keyFile, o)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := tlsfile.OpenBundle(certFile, tlsfile.Options{Now: o.Now})
	if err != nil {
		t.Fatal(err)
	}
	serial := func() int64 {
		c, err := x509.ParseCertificate(pair.Certificate().Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return c.SerialNumber.Int64()
	}
	before := bundle.Pool()
	write(t, certFile, second, now.Add(time.Second)) // The key has not come yet.
	if got := serial(); got != 1 || len(heard) != 0 {
		t.Errorf("looked at too soon: serial %d, heard %v", got, heard)
	}
	now = now.Add(10 * time.Second)
	if got := serial(); got != 1 || len(heard) != 1 || heard[0] {
		t.Errorf("a certificate without its key: serial %d, heard %v; want the first, told once", got, heard)
	}
	now = now.Add(10 * time.Second)
	if serial(); len(heard) != 1 {
		t.Errorf("the same fault is told again: %v", heard)
	}
	write(t, keyFile, secondKey, now.Add(time.Second))
	now = now.Add(10 * time.Second)
	if got := serial(); got != 2 || len(heard) != 2 || !heard[1] {
		t.Errorf("the whole pair: serial %d, heard %v; want the second", got, heard)
	}
	if bundle.Pool().Equal(before) {
		t.Error("the bundle has not changed with its file")
	}
	err = os.Remove(certFile)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(10 * time.Second)
	if got := serial(); got != 2 {
		t.Errorf("without files: serial %d, want the last good one", got)
	}
}

// Names that no certificate can be checked against are refused with a reason.
func TestCheckIdentity(t *testing.T) {
	for identity, good := range map[string]bool{
		"spiffe://corp.example/orders": true, "orders.internal": true,
		"": false, "*.internal": false, "orders.internal:443": false, "https://orders.internal/": false,
		"spiffe://corp.example": false, "spiffe://corp.example/": false, "spiffe://corp.example:1/a": false,
		"spiffe://u@corp.example/a": false, "spiffe://corp.example/a?b": false, "SPIFFE://corp.example/a": false,
	} {
		err := tlsfile.CheckIdentity(identity)
		if (err == nil) != good {
			t.Errorf("CheckIdentity(%q) = %v, want good %v", identity, err, good)
		}
	}
}
