//go:build linux

package benchgateway

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// What every target believes.
const (
	issuer   = "https://idp.example.test"
	audience = "api"
)

// Algorithms of tokens.
const (
	rs256 = "RS256"
	es256 = "ES256"
)

// mint signs tokens (RFC 7515), each with a subject, session and id of its own.
type mint struct {
	rsa   *rsa.PrivateKey
	ecdsa *ecdsa.PrivateKey
	now   time.Time
	count int
}

func newMint(now time.Time) (*mint, error) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return &mint{rsa: r, ecdsa: e, now: now}, nil
}

// write puts the public keys into dir: RS256.pem, ES256.pem and jwks.json.
func (m *mint) write(dir string) error {
	for name, key := range map[string]any{rs256: &m.rsa.PublicKey, es256: &m.ecdsa.PublicKey} {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return fmt.Errorf("encode key: %w", err)
		}
		err = os.WriteFile(filepath.Join(dir, name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
		if err != nil {
			return fmt.Errorf("write key: %w", err)
		}
	}
	point, err := m.ecdsa.PublicKey.Bytes() // 4, x, y.
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kty": "RSA", "kid": rs256, "alg": rs256, "use": "sig", "n": text(m.rsa.N.Bytes()), "e": "AQAB"},
		{"kty": "EC", "kid": es256, "alg": es256, "use": "sig", "crv": "P-256", "x": text(point[1:33]), "y": text(point[33:])},
	}})
	if err != nil {
		return fmt.Errorf("encode keys: %w", err)
	}
	err = os.WriteFile(filepath.Join(dir, "jwks.json"), set, 0o600)
	if err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	return nil
}

// requests returns n requests, each with a new token.
func (m *mint) requests(algorithm string, n int) ([][]byte, error) {
	all := make([][]byte, 0, n)
	for range n {
		token, err := m.token(algorithm)
		if err != nil {
			return nil, err
		}
		all = append(all, request(token))
	}
	return all, nil
}

func (m *mint) token(algorithm string) (string, error) {
	m.count++
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "aud": audience, "sub": fmt.Sprintf("user-%06d", m.count), "sid": fmt.Sprintf("s-%08d", m.count),
		"jti": fmt.Sprintf("0f3a7c1e-5f0e-4a77-9c9e-%012d", m.count), "client_id": "bench", "scope": "read write",
		"iat": m.now.Unix(), "nbf": m.now.Unix() - 60, "auth_time": m.now.Unix(), "exp": m.now.Add(24 * time.Hour).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	signed := text([]byte(`{"alg":"`+algorithm+`","kid":"`+algorithm+`","typ":"JWT"}`)) + "." + text(claims)
	digest := sha256.Sum256([]byte(signed))
	if algorithm == rs256 {
		signature, err := rsa.SignPKCS1v15(nil, m.rsa, crypto.SHA256, digest[:])
		if err != nil {
			return "", fmt.Errorf("sign token: %w", err)
		}
		return signed + "." + text(signature), nil
	}
	r, s, err := ecdsa.Sign(rand.Reader, m.ecdsa, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + text(signature[:]), nil
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// request is what every target gets; without a token it is nobody's.
func request(token string) []byte {
	head := "GET /api/v1/orders/42?x=1 HTTP/1.1\r\nHost: api.example.test\r\nUser-Agent: vigil-bench/1\r\nAccept: */*\r\n"
	if token != "" {
		head += "Authorization: Bearer " + token + "\r\n"
	}
	return []byte(head + "\r\n")
}
