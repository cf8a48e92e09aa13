package login

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/vigil-gateway/vigil/schemas/keyfile"
)

// Purposes of sealed values: what was sealed for one opens for no other.
const (
	purposeSession  = "session"
	purposeFlow     = "flow"
	purposeDevice   = "device"
	purposeForm     = "form"
	purposePeer     = "peer"
	purposeRenewed  = "renewed"
	purposeKey      = "key"
	purposeCode     = "code"
	purposeCeremony = "ceremony"
)

// errSeal means that a value was not sealed by this ring for this purpose.
var errSeal = errors.New("not sealed by this ring")

const keyIDBytes = 4

// ringKey is one key of a ring.
type ringKey struct {
	id   [keyIDBytes]byte
	aead cipher.AEAD
}

// ring seals what browsers keep for us: XChaCha20-Poly1305 (RFC 8439 with the
// 192-bit nonce of draft-irtf-cfrg-xchacha-03, so that nonces may be drawn at
// random by many gateways for the life of a key). The first key of its file
// seals, all of them open. Safe for concurrent use.
type ring struct {
	file string
	keys atomic.Pointer[[]ringKey]
	text atomic.Pointer[[]byte] // What was read, to see a change.
}

// openRing reads a key ring: lines of 32 bytes in base64, # begins a comment.
func openRing(file string) (*ring, error) {
	r := &ring{file: file}
	_, err := r.reload()
	if err != nil {
		return nil, err
	}
	return r, nil
}

// reload reads the file again and reports whether the keys have changed. Where it
// is at fault the keys stay as they are.
func (r *ring) reload() (bool, error) {
	b, err := keyfile.Secret(r.file)
	if err != nil {
		return false, fmt.Errorf("read key ring: %w", err)
	}
	old := r.text.Load()
	if old != nil && bytes.Equal(*old, b) {
		return false, nil
	}
	keys, err := parseRing(b)
	if err != nil {
		return false, fmt.Errorf("key ring %s: %w", r.file, err)
	}
	r.keys.Store(&keys)
	r.text.Store(&b)
	return true, nil
}

// parseRing reads the keys of a ring.
func parseRing(b []byte) ([]ringKey, error) {
	var keys []ringKey
	for i, line := range bytes.Split(b, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(string(line))
		if err != nil || len(raw) != chacha20poly1305.KeySize {
			return nil, fmt.Errorf("line %d: is not %d bytes in base64", i+1, chacha20poly1305.KeySize)
		}
		aead, err := chacha20poly1305.NewX(raw)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		k := ringKey{aead: aead}
		sum := sha256.Sum256(append([]byte("vigil key id\x00"), raw...))
		copy(k.id[:], sum[:])
		keys = append(keys, k)
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New("holds no key")
	case len(keys) > KeysMax:
		return nil, fmt.Errorf("holds %d keys, at most %d are allowed", len(keys), KeysMax)
	}
	return keys, nil
}

// follow reads the file again whenever it has changed, until ctx ends.
func (r *ring) follow(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(ringPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := r.reload()
		if err != nil {
			log.WarnContext(ctx, "key ring stays as it was", "error", err)
		} else if changed {
			log.InfoContext(ctx, "key ring in force", "keys", len(*r.keys.Load()))
		}
	}
}

// seal encrypts plain for a purpose: key id, nonce, ciphertext, in base64url.
func (r *ring) seal(purpose string, plain []byte) string {
	k := (*r.keys.Load())[0]
	out := make([]byte, keyIDBytes+chacha20poly1305.NonceSizeX, keyIDBytes+chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	copy(out, k.id[:])
	nonce := out[keyIDBytes:]
	_, _ = rand.Read(nonce) // Never fails, or the process ends.
	return base64.RawURLEncoding.EncodeToString(k.aead.Seal(out, nonce, plain, associated(purpose)))
}

// open decrypts what seal has made for the same purpose. The error is errSeal.
func (r *ring) open(purpose, sealed string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(b) < keyIDBytes+chacha20poly1305.NonceSizeX+chacha20poly1305.Overhead {
		return nil, errSeal
	}
	nonce, body := b[keyIDBytes:keyIDBytes+chacha20poly1305.NonceSizeX], b[keyIDBytes+chacha20poly1305.NonceSizeX:]
	for _, k := range *r.keys.Load() {
		if !bytes.Equal(k.id[:], b[:keyIDBytes]) {
			continue
		}
		plain, err := k.aead.Open(nil, nonce, body, associated(purpose))
		if err == nil {
			return plain, nil
		}
	}
	return nil, errSeal
}

func associated(purpose string) []byte { return []byte("vigil login 1 " + purpose) }
