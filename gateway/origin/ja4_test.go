package origin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/origin"
)

func TestJA4(t *testing.T) {
	const (
		own  = "t13d1516h2_8daaf6152771_e5627efa2ab1"
		said = "t12i1011h1_61a7ad8aa9b6_3fcd1a44f3e3"
	)
	trusting := origin.Config{Header: origin.HeaderXForwardedFor, TrustedProxies: []string{"10.0.0.0/8"}, JA4Header: "x-client-ja4"}
	silent := trusting
	silent.JA4Header = ""
	for name, c := range map[string]struct {
		config origin.Config
		peer   string
		header []string
		want   string
	}{
		"a client that comes by itself":               {trusting, "203.0.113.9:1", nil, own},
		"and that claims another hello":               {trusting, "203.0.113.9:1", []string{said}, own},
		"a trusted proxy says":                        {trusting, "10.0.0.1:1", []string{said}, said},
		"a trusted proxy that says nothing":           {trusting, "10.0.0.1:1", nil, ""},
		"a trusted proxy where no header is believed": {silent, "10.0.0.1:1", []string{said}, ""},
		"nobody is trusted":                           {origin.DefaultConfig(), "10.0.0.1:1", []string{said}, own},
		"said twice":                                  {trusting, "10.0.0.1:1", []string{said, said}, ""},
		"said twice in one line":                      {trusting, "10.0.0.1:1", []string{said + ", " + said}, ""},
		"of a transport that is none":                 {trusting, "10.0.0.1:1", []string{"x" + said[1:]}, ""},
		"with capitals among the digits":              {trusting, "10.0.0.1:1", []string{strings.ToUpper(said)}, ""},
		"cut short":                                   {trusting, "10.0.0.1:1", []string{said[:len(said)-1]}, ""},
		"something else":                              {trusting, "10.0.0.1:1", []string{"chrome"}, ""},
		"nothing":                                     {trusting, "10.0.0.1:1", []string{""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := resolver(t, func(o *origin.Config) { *o = c.config })
			req := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			req.RemoteAddr = c.peer
			req.Header["X-Client-Ja4"] = c.header
			if got := r.JA4(req, own); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestJA4HeaderNamesEveryFault(t *testing.T) {
	for name, c := range map[string]struct{ change func(*origin.Config) }{
		"without anybody to believe":    {func(c *origin.Config) { c.TrustedProxies = nil }},
		"no name of a header":           {func(c *origin.Config) { c.JA4Header = "client ja4" }},
		"a header that carries a token": {func(c *origin.Config) { c.JA4Header = "authorization" }},
	} {
		t.Run(name, func(t *testing.T) {
			config := origin.Config{Header: origin.HeaderXForwardedFor, TrustedProxies: []string{"10.0.0.0/8"}, JA4Header: "x-client-ja4"}
			err := config.Validate()
			if err != nil {
				t.Fatalf("the configuration to be changed: %v", err)
			}
			c.change(&config)
			err = config.Validate()
			if err == nil || !strings.Contains(err.Error(), "ja4_header") {
				t.Errorf("got %v, want a fault of ja4_header", err)
			}
		})
	}
}
