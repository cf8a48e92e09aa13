package entity_test

import (
	"testing"

	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// FuzzASN reads what may be anything, and counts with it.
func FuzzASN(f *testing.F) {
	var a entity.ASN
	for i := range uint64(3) {
		a.Doubt(new(entity.Attackers), i, int64(i))
		a.SignIn(new(entity.Attackers), i, false, int64(i))
	}
	w := snapshot.Writer()
	a.Code(w)
	f.Add(w.Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var a entity.ASN
		a.Code(snapshot.Reader(b))
		for i := range uint64(100) {
			a.Doubt(new(entity.Attackers), i, 1e18)
			a.Reside(new(entity.Attackers), i, 1e18)
		}
		if n := a.Residents(1e18); !(n >= 0 && n <= entity.ASNVoicesMax) {
			t.Errorf("%g at home", n)
		}
	})
}
