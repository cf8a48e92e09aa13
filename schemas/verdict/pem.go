package verdict

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// errNoPEM means that a key file has no PEM block.
var errNoPEM = errors.New("no PEM block")

// What PEM calls the two halves of a key.
const (
	pemPublic  = "PUBLIC KEY"
	pemPrivate = "PRIVATE KEY"
)

// ParsePublicKey reads the root's public key: Ed25519, PKIX in PEM.
func ParsePublicKey(file []byte) (ed25519.PublicKey, error) {
	block, _ := pem.Decode(file)
	if block == nil {
		return nil, errNoPEM
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil && block.Type != pemPublic {
		return nil, fmt.Errorf("parse public key: it holds a %s, must be a %s", block.Type, pemPublic)
	}
	if err != nil {
		return nil, fmt.Errorf("parse public key: %w", err)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("is a %T, must be Ed25519", parsed)
	}
	return key, nil
}

// PrivateKeysMax bounds the keys in a file of private keys.
const PrivateKeysMax = 16

// ParsePrivateKeys reads the keys that an analyzer, operator or feed signs with: one
// block for each, as [ParsePrivateKey] reads it, the newest last. There is one at
// least.
func ParsePrivateKeys(file []byte) ([]ed25519.PrivateKey, error) {
	var keys []ed25519.PrivateKey
	for {
		block, rest := pem.Decode(file)
		if block == nil {
			break
		}
		if len(keys) == PrivateKeysMax {
			return nil, fmt.Errorf("holds more than %d keys", PrivateKeysMax)
		}
		key, err := ParsePrivateKey(pem.EncodeToMemory(block))
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		keys, file = append(keys, key), rest
	}
	if len(keys) == 0 {
		return nil, errNoPEM
	}
	return keys, nil
}

// ParsePrivateKey reads the key that an analyzer, operator or feed signs with:
// Ed25519, PKCS#8 in PEM.
func ParsePrivateKey(file []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(file)
	if block == nil {
		return nil, errNoPEM
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil && block.Type != pemPrivate {
		return nil, fmt.Errorf("parse private key: it holds a %s, must be a %s (PKCS#8)", block.Type, pemPrivate)
	}
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("is a %T, must be Ed25519", parsed)
	}
	return key, nil
}
