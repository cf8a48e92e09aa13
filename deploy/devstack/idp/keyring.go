package idp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

// Algorithms that the provider signs with.
const (
	RS256 = "RS256"
	ES256 = "ES256"
)

const keyFile = "idp-keys.json"

// keyring holds the provider's private keys, newest first: one RSA and one EC
// key that sign, then those that are only published.
type keyring struct {
	file string // Empty keeps the keys in memory.

	mu   sync.RWMutex
	keys []jwk.Key
}

// openKeyring reads the keys of a directory, or makes them there.
func openKeyring(dir string) (*keyring, error) {
	k := &keyring{}
	if dir == "" {
		return k, k.rotate()
	}
	k.file = filepath.Join(dir, keyFile)
	b, err := os.ReadFile(k.file)
	if errors.Is(err, fs.ErrNotExist) {
		return k, k.rotate()
	}
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	set, err := jwk.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("read keys %s: %w", k.file, err)
	}
	for i := range min(set.Len(), KeysMax) {
		key, _ := set.Key(i)
		k.keys = append(k.keys, key)
	}
	if len(k.keys) < 2 {
		return nil, fmt.Errorf("read keys %s: has %d keys, needs 2", k.file, len(k.keys))
	}
	return k, nil
}

// rotate puts a new pair in front and drops all but the pair before.
func (k *keyring) rotate() error {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("make RSA key: %w", err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make EC key: %w", err)
	}
	first, err := named(rsaKey, jwa.RS256)
	if err != nil {
		return err
	}
	second, err := named(ecKey, jwa.ES256)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = append([]jwk.Key{first, second}, k.keys[:min(len(k.keys), KeysMax-2)]...)
	return k.save()
}

// forget keeps only the pair that signs.
func (k *keyring) forget() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = slices.Clone(k.keys[:2])
	return k.save()
}

// save writes the keys beside their place and renames, so that a crash leaves
// the old file or the new one.
func (k *keyring) save() error {
	if k.file == "" {
		return nil
	}
	b, err := json.Marshal(publicSet{Keys: k.keys})
	if err != nil {
		return fmt.Errorf("encode keys: %w", err)
	}
	err = os.WriteFile(k.file+".new", b, 0o600)
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	err = os.Rename(k.file+".new", k.file)
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return nil
}

// signing returns the key that signs with an algorithm.
func (k *keyring) signing(alg string) jwk.Key {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if alg == ES256 {
		return k.keys[1]
	}
	return k.keys[0]
}

// public returns the public halves of all keys.
func (k *keyring) public() publicSet {
	k.mu.RLock()
	defer k.mu.RUnlock()
	set := publicSet{Keys: make([]jwk.Key, 0, len(k.keys))}
	for _, key := range k.keys {
		pub, err := key.PublicKey()
		if err == nil { // Fails only for kinds of key that are never put in.
			set.Keys = append(set.Keys, pub)
		}
	}
	return set
}

// named wraps a private key with its thumbprint (RFC 7638) as its id.
func named(raw any, alg jwa.SignatureAlgorithm) (jwk.Key, error) {
	key, err := jwk.FromRaw(raw)
	if err != nil {
		return nil, fmt.Errorf("wrap key: %w", err)
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("name key: %w", err)
	}
	err = errors.Join(
		key.Set(jwk.KeyIDKey, base64.RawURLEncoding.EncodeToString(sum)),
		key.Set(jwk.AlgorithmKey, alg),
		key.Set(jwk.KeyUsageKey, jwk.ForSignature),
	)
	if err != nil {
		return nil, fmt.Errorf("name key: %w", err)
	}
	return key, nil
}
