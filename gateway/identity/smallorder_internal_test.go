package identity

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// For each listed point, with either sign, a signature that nobody made fits some
// message; for an ordinary key it fits none.
func TestSmallOrder(t *testing.T) {
	forged := make([]byte, ed25519.SignatureSize)
	forged[0] = 1 // R is the neutral point, S is 0.
	fits := func(key ed25519.PublicKey) bool {
		for i := range 256 {
			if ed25519.Verify(key, binary.BigEndian.AppendUint64(nil, uint64(i)), forged) {
				return true
			}
		}
		return false
	}
	for _, y := range small25519() {
		for _, sign := range []byte{0, 0x80} {
			key, err := hex.DecodeString(y)
			if err != nil {
				t.Fatal(err)
			}
			key[31] |= sign
			if !smallOrder(key) || !fits(key) {
				t.Errorf("%x: refused %t, forged %t", key, smallOrder(key), fits(key))
			}
		}
	}
	good := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	if smallOrder(good) || fits(good) {
		t.Error("an ordinary key is refused")
	}
}
