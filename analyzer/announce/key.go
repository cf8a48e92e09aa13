package announce

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// LoadSigner reads the analyzer's private key (PKCS#8 in PEM, Ed25519).
func LoadSigner(c Config) (verdict.Signer, error) {
	b, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return verdict.Signer{}, fmt.Errorf("announce.key_file: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return verdict.Signer{}, errors.New("announce.key_file: no PEM block")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return verdict.Signer{}, fmt.Errorf("announce.key_file: %w", err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return verdict.Signer{}, fmt.Errorf("announce.key_file: is a %T, must be Ed25519", key)
	}
	return verdict.NewSigner(c.KeyID, private), nil
}
