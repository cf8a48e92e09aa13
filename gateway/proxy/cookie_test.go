package proxy_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/vigil-gateway/vigil/gateway/proxy"
)

// An upstream is not sent our cookies, however a client spells and splits them.
func TestOwnCookiesStayHere(t *testing.T) {
	tests := map[string]struct{ in, want []string }{
		"none of ours":       {[]string{"a=1; b=2"}, []string{"a=1; b=2"}},
		"ours alone":         {[]string{"__Host-vigil=x"}, nil},
		"between others":     {[]string{"a=1; __Host-vigil=x; b=2"}, []string{"a=1; b=2"}},
		"several parts":      {[]string{"__Host-vigil=x; __Host-vigil-1=y; c=3"}, []string{"c=3"}},
		"in several headers": {[]string{"__Host-vigil-device=x", "a=1"}, []string{"a=1"}},
		"another case":       {[]string{"a=1;__HOST-VIGIL=x"}, []string{"a=1"}},
		"without a space":    {[]string{"__Host-vigil=x;a=1"}, []string{"a=1"}},
		"with odd spaces":    {[]string{"a=1;\t  __Host-vigil=x"}, []string{"a=1"}},
		"a name like ours":   {[]string{"x__Host-vigil=1"}, []string{"x__Host-vigil=1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, proxy.WithoutOurs(tt.in)); diff != "" {
				t.Errorf("cookies (-want +got):\n%s", diff)
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		other := rapid.SliceOf(rapid.StringMatching(`[a-z]{1,5}=[a-zA-Z0-9]{0,5}`)).Draw(t, "others")
		mixed := append(slices.Clone(other), rapid.SampledFrom([]string{"__Host-vigil", "__host-VIGIL-1", "__Host-vigil-flow-x"}).Draw(t, "ours")+"=secret")
		mixed = rapid.Permutation(mixed).Draw(t, "order")
		var h []string
		for _, c := range mixed {
			if len(h) > 0 && rapid.Bool().Draw(t, "same header") {
				h[len(h)-1] += rapid.SampledFrom([]string{"; ", ";", ";  ", ";\t"}).Draw(t, "separator") + c
			} else {
				h = append(h, c)
			}
		}
		r := &http.Request{Header: http.Header{"Cookie": proxy.WithoutOurs(h)}}
		if n := len(r.Cookies()); n != len(other) {
			t.Errorf("%q leaves %q: %d cookies, want %d", h, r.Header["Cookie"], n, len(other))
		}
		for _, c := range r.Cookies() {
			if c.Value == "secret" {
				t.Errorf("%q leaves %q", h, r.Header["Cookie"])
			}
		}
	})
}
