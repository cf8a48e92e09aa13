package topic

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// SeedOf derives the seed of [Lanes] from a tenant key, so that gateways and
// analyzers that share the key agree on it without another secret.
func SeedOf(tenantKey []byte) uint64 {
	mac := hmac.New(sha256.New, tenantKey)
	_, _ = mac.Write([]byte("vigil lanes")) // A hash never fails.
	return binary.BigEndian.Uint64(mac.Sum(nil))
}
