package assertion

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
)

// Names by which upstreams meet assertions.
const (
	// Header carries an assertion to an upstream.
	Header = "X-Vigil-Assertion"
	// KeysPath is where the gateway publishes its keys (RFC 7517 section 5).
	KeysPath = "/.vigil/jwks.json"
	// Type is the "typ" of an assertion.
	Type = "vigil-assertion+jwt"
)

// Signer makes assertions.
type Signer struct {
	now func() time.Time

	mu    sync.Mutex
	with  *signing
	made  map[statement]string // Made since began, less than half a life ago.
	began time.Time
}

// signing is what assertions are made with. Immutable.
type signing struct {
	config Config
	key    jwk.Key
	alg    jwa.SignatureAlgorithm
	header jws.Headers
	keys   []byte // The published set.
}

// New reads the keys. It returns nil, and no error, where c names none.
func New(c Config, now func() time.Time) (*Signer, error) {
	err := c.Validate()
	if err != nil {
		return nil, fmt.Errorf("assertion: %w", err)
	}
	if len(c.KeyFiles) == 0 {
		return nil, nil //nolint:nilnil // Assertions are off.
	}
	if now == nil {
		return nil, errors.New("assertion: now is required")
	}
	with, err := newSigning(c)
	if err != nil {
		return nil, err
	}
	return &Signer{now: now, with: with, made: make(map[statement]string)}, nil
}

// Reload reads the keys that c names. Where one of them cannot serve, or none is named,
// those in force stay; whether there are assertions at all is settled at the start.
func (s *Signer) Reload(c Config) error {
	err := c.Validate()
	if err != nil {
		return fmt.Errorf("assertion: %w", err)
	}
	if len(c.KeyFiles) == 0 {
		return errors.New("assertion: key_files: none is named; a restart switches assertions off")
	}
	with, err := newSigning(c)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.with = with
	clear(s.made) // By a key that may have been taken away.
	return nil
}

// newSigning reads the keys.
func newSigning(c Config) (*signing, error) {
	s := &signing{config: c}
	set := jwk.NewSet()
	for i, name := range c.KeyFiles {
		key, err := readKey(name)
		if err != nil {
			return nil, fmt.Errorf("assertion: key_files[%d]: %w", i, err)
		}
		public, err := key.PublicKey()
		if err == nil {
			err = set.AddKey(public)
		}
		if err != nil {
			return nil, fmt.Errorf("assertion: key_files[%d]: %w", i, err)
		}
		if i == 0 {
			s.key = key
		}
	}
	s.alg = jwa.SignatureAlgorithm(s.key.Algorithm().String())
	s.header = jws.NewHeaders()
	err := errors.Join(s.header.Set(jws.TypeKey, Type), s.header.Set(jws.KeyIDKey, s.key.KeyID()))
	if err != nil {
		return nil, fmt.Errorf("assertion: %w", err)
	}
	s.keys, err = json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("assertion: %w", err)
	}
	return s, nil
}

// readKey reads a private key and names it by its thumbprint (RFC 7638).
func readKey(name string) (jwk.Key, error) {
	b, err := keyfile.Secret(name)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	key, err := jwk.ParseKey(bytes.TrimSpace(b), jwk.WithPEM(true))
	if err != nil {
		return nil, fmt.Errorf("%s: holds no key in PEM form", name) // jwx's text could show the key.
	}
	alg, err := algorithmOf(key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	err = errors.Join(key.Set(jwk.AlgorithmKey, alg), key.Set(jwk.KeyUsageKey, jwk.ForSignature), jwk.AssignKeyID(key, jwk.WithThumbprintHash(crypto.SHA256)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

// algorithmOf is the algorithm of a private key that may sign.
func algorithmOf(key jwk.Key) (jwa.SignatureAlgorithm, error) {
	switch k := key.(type) {
	case jwk.OKPPrivateKey:
		if k.Crv() == jwa.Ed25519 {
			return jwa.EdDSA, nil
		}
	case jwk.ECDSAPrivateKey:
		if k.Crv() == jwa.P256 {
			return jwa.ES256, nil
		}
	}
	return "", errors.New("is no private key of Ed25519 or ECDSA P-256")
}

// Keys is the published set of public keys, as JSON.
func (s *Signer) Keys() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.with.keys
}

// Sign returns an assertion about id towards upstream, valid for at least half
// of Config.TTL. action is that of the verdict in force, device the device of
// the request; both may be empty.
func (s *Signer) Sign(id *identity.Identity, device, action string, upstream *url.URL) (string, error) {
	what, now := state(id, device, action, upstream), s.now()
	s.mu.Lock()
	with := s.with
	if since := now.Sub(s.began); since >= with.config.TTL/2 || since < 0 {
		clear(s.made)
		s.began = now
	}
	token, made := s.made[what]
	s.mu.Unlock()
	if made {
		return token, nil
	}
	payload, err := json.Marshal(what.claims(with.config.Issuer, now, with.config.TTL))
	if err != nil {
		return "", fmt.Errorf("assertion: %w", err)
	}
	signed, err := jws.Sign(payload, jws.WithKey(with.alg, with.key, jws.WithProtectedHeaders(with.header)))
	if err != nil {
		return "", fmt.Errorf("assertion: %w", err)
	}
	token = string(signed)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.with == with && len(s.made) < rememberedMax && !now.Before(s.began) {
		s.made[what] = token
	}
	return token, nil
}
