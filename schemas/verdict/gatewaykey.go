package verdict

import (
	"bytes"
	"crypto/ed25519"
	"maps"
	"slices"
	"strings"
)

// ClassGateway is the class of keys that sign no verdict: each seals what one
// gateway writes, see package seal.
const ClassGateway Class = "gateway"

// Gateway returns the key of class gateway that is listed as kid, in force or not.
func (k *KeySet) Gateway(kid string) (Key, bool) {
	key, ok := k.keys[kid]
	return key, ok && key.Class == ClassGateway && key.Gateway != ""
}

// Seals reports whether any key is listed for a gateway.
func (k *KeySet) Seals(gateway string) bool {
	if gateway == "" {
		return false
	}
	for _, key := range k.keys {
		if key.Class == ClassGateway && key.Gateway == gateway {
			return true
		}
	}
	return false
}

// Sealing reports whether any key is listed for any gateway.
func (k *KeySet) Sealing() bool {
	for _, key := range k.keys {
		if key.Class == ClassGateway && key.Gateway != "" {
			return true
		}
	}
	return false
}

// GatewayKid is the id under which a gateway's public key is listed.
func (k *KeySet) GatewayKid(gateway string, public ed25519.PublicKey) (kid string, ok bool) {
	for _, key := range k.keys {
		if key.Class == ClassGateway && key.Gateway == gateway && bytes.Equal(key.Public, public) {
			return key.ID, true
		}
	}
	return "", false
}

// Keys are all keys, by id.
func (k *KeySet) Keys() []Key {
	return slices.SortedFunc(maps.Values(k.keys), func(a, b Key) int { return strings.Compare(a.ID, b.ID) })
}
