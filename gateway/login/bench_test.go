package login_test

import (
	"net/http"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/login"
)

// What a signed-in request costs beside one that brings a token of its own.
func BenchmarkRecognise(b *testing.B) {
	g := newRig(b)
	p := g.person()
	p.signIn()
	r := p.request(http.MethodGet, "/page")
	b.ReportAllocs()
	for b.Loop() {
		_, err := g.login.Recognise(r, login.Visitor{UserAgent: "test"})
		if err != nil {
			b.Fatal(err)
		}
	}
}
