package announce

import (
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
	private, err := verdict.ParsePrivateKey(b)
	if err != nil {
		return verdict.Signer{}, fmt.Errorf("announce.key_file: %w", err)
	}
	return verdict.NewSigner(c.KeyID, private), nil
}
