package verdict_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

func TestKeysInPEM(t *testing.T) {
	encode := func(der []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "ANY", Bytes: der})
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	gotPublic, err := verdict.ParsePublicKey(encode(x509.MarshalPKIXPublicKey(public)))
	if err != nil || !public.Equal(gotPublic) {
		t.Errorf("ParsePublicKey() = %v, %v", gotPublic, err)
	}
	gotPrivate, err := verdict.ParsePrivateKey(encode(x509.MarshalPKCS8PrivateKey(private)))
	if err != nil || !private.Equal(gotPrivate) {
		t.Errorf("ParsePrivateKey() = %v", err)
	}
	tests := map[string]struct {
		public, private []byte
		want            string
	}{
		"not PEM":      {[]byte("x"), []byte("x"), "no PEM block"},
		"not a key":    {encode([]byte("x"), nil), encode([]byte("x"), nil), "parse "},
		"another kind": {encode(x509.MarshalPKIXPublicKey(&other.PublicKey)), encode(x509.MarshalPKCS8PrivateKey(other)), "must be Ed25519"},
		"one as the other, by its name": {
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}),
			" KEY, must be a P",
		},
		"one as the other": {encode(x509.MarshalPKCS8PrivateKey(private)), encode(x509.MarshalPKIXPublicKey(public)), "parse "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := verdict.ParsePublicKey(tt.public)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParsePublicKey() = %v, want %q", err, tt.want)
			}
			_, err = verdict.ParsePrivateKey(tt.private)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParsePrivateKey() = %v, want %q", err, tt.want)
			}
		})
	}
}
