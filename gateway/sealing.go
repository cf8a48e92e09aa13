package gateway

import (
	"crypto/ed25519"
	"fmt"

	"github.com/vigil-gateway/vigil/schemas/keyfile"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// sealer reads the key that seals what this gateway writes; nil where it seals
// nothing. The key set must list the key for this gateway: what readers cannot
// verify they refuse, or take for unsigned.
func (c Config) sealer(keys *verdict.KeySet) (*seal.Signer, error) {
	key, err := c.sealingKey()
	if key == nil {
		return nil, err
	}
	kid, ok := keys.GatewayKid(c.ID, key.Public().(ed25519.PublicKey)) //nolint:forcetypeassert // Of an Ed25519 key.
	if !ok {
		return nil, fmt.Errorf("emit.key_file: keys.key_set_file lists no key of class %q for gateway %q that is the public half of %s: add it with \"vigil keys gateway\"", verdict.ClassGateway, c.ID, c.Emit.KeyFile)
	}
	s, err := seal.NewSigner(c.ID, kid, key)
	if err != nil {
		return nil, fmt.Errorf("emit.key_file: %w", err)
	}
	return s, nil
}

// sealingKey reads emit.key_file; nil where none is named.
func (c Config) sealingKey() (ed25519.PrivateKey, error) {
	if c.Emit.KeyFile == "" {
		return nil, nil //nolint:nilnil // No key is no fault.
	}
	b, err := keyfile.Secret(c.Emit.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("emit.key_file: %w", err)
	}
	key, err := verdict.ParsePrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("emit.key_file: %w", err)
	}
	return key, nil
}
