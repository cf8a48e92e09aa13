package origin_test

import (
	"fmt"
	"net/http"
	"runtime"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/origin"
)

// A client behind a trusted proxy can show as many addresses as it likes; the
// memory that they take is bounded.
func TestForwardedAddressesAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("fills the cache several times")
	}
	r := resolver(t, func(c *origin.Config) { c.TrustedProxies, c.Databases = []string{"127.0.0.1"}, nil })
	show := func(n int) {
		r.Of(&http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"X-Forwarded-For": {fmt.Sprintf("198.%d.%d.%d", n>>16, n>>8&255, n&255)}}})
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for n := range origin.CacheEntries {
		show(n)
	}
	full := heap()
	for n := range 4 * origin.CacheEntries {
		show(origin.CacheEntries + n)
	}
	if after := heap(); after > full+full/2 {
		t.Errorf("heap grew from %d to %d bytes", full, after)
	}
}

func BenchmarkOf(b *testing.B) {
	r := resolver(b)
	req := (&http.Request{RemoteAddr: "2.125.160.216:1"}).WithContext(r.ConnContext(b.Context(), nil))
	b.ReportAllocs()
	for b.Loop() {
		r.Of(req)
	}
}
