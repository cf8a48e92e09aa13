package proxy_test

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/proxy"
)

// However reads fall, what is held in the buffer stays, and a buffer that little
// moves through is small again.
func TestScratchKeepsWhatItHolds(t *testing.T) {
	pool := &sync.Pool{New: proxy.NewBuffer}
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		s := proxy.Scratch{}
		s.SetPool(pool)
		var in, out []byte
		held := 0
		for range 200 {
			b := s.Bytes()
			n := min(1+random.IntN(1<<random.IntN(17)), len(b)-held)
			for i := range n {
				b[held+i] = byte(random.Uint32())
			}
			in = append(in, b[held:held+n]...)
			pass := random.IntN(held + n + 1)
			if held+n == len(b) && len(b) > 512 {
				pass = max(pass, 1) // As frames larger than the buffer are passed on in pieces.
			}
			out = append(out, b[:pass]...)
			held = s.Next(held+n, b[pass:held+n])
		}
		out = append(out, s.Bytes()[:held]...)
		if !bytes.Equal(in, out) {
			t.Fatalf("%d bytes in, %d out, or not the same", len(in), len(out))
		}
		s.Next(1, nil)
		if n := len(s.Bytes()); n != 512 {
			t.Fatalf("%d bytes are kept for a stream on which one byte came", n)
		}
		s.Free()
	}
}
