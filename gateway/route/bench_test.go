package route_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/route"
)

// BenchmarkMatch finds routes of every kind among a hundred and more. Those under /loose
// are public where a guarded route is one but for its letters, so that both are looked for.
func BenchmarkMatch(b *testing.B) {
	const upstream = "http://shop:3000"
	var c route.Config
	for i := range 50 {
		c.Routes = append(c.Routes,
			route.Spec{ID: fmt.Sprint("orders-", i), Path: fmt.Sprintf("/api/v%d/accounts/{id}/orders/{order}", i), Upstream: upstream},
			route.Spec{ID: fmt.Sprint("pages-", i), Path: fmt.Sprintf("/pages/%d/{page}", i), Upstream: upstream, Public: true})
	}
	c.Routes = append(c.Routes,
		route.Spec{ID: "assets", Path: "/assets/{path...}", Upstream: upstream, Public: true},
		route.Spec{ID: "health", Path: "/health", Upstream: upstream, Public: true},
		route.Spec{ID: "loose", Path: "/loose/{path...}", Upstream: upstream, Public: true},
		route.Spec{ID: "tight", Path: "/loose/admin/{page}", Upstream: upstream})
	t, err := route.NewTable(c)
	if err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct{ name, path string }{
		{"guarded", "/api/v7/accounts/4711/orders/12"},
		{"public, literal", "/health"},
		{"public, variable", "/pages/7/about-us"},
		{"public, catch-all", "/assets/css/shop/main.css"},
		{"public beside a guarded one", "/loose/css/shop/main.css"},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://shop.example.com"+bb.path, http.NoBody)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := t.Match(r)
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
