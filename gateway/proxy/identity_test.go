package proxy_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"unicode"
)

// ownedNames are headers by which an upstream could be told who asks, from
// where, or for what else than the gateway has authorised.
var ownedNames = []string{
	"X-Vigil-Subject", "X-Vigil-Session", "X-Vigil-Assertion", "X-Vigil-Anything", "X-Forwarded-For", "X-Forwarded-Host",
	"X-Forwarded-Proto", "X-Forwarded-User", "X-Forwarded-Client-Cert", "Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP",
	"X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Request-Id", "Traceparent",
}

// variable is what an upstream makes of a header's name that hands headers on as
// variables (RFC 3875 section 4.1.18, and servers that replace more than it asks).
func variable(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '_'
	}, strings.ToUpper(name))
}

// An upstream sees exactly one identity, the gateway's, however a client spells
// its own: with other hyphens, in any case, several times, beside Connection.
func TestAnUpstreamSeesOneIdentity(t *testing.T) {
	seen := make(chan http.Header, 1)
	url, _ := upstream(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header })
	g := newRig(t, url)
	ours := map[string]string{"X_VIGIL_SUBJECT": "pseudonym", "X_FORWARDED_FOR": "203.0.113.9", "X_FORWARDED_PROTO": "https", "X_FORWARDED_HOST": "gateway.example"}
	owned := map[string]bool{}
	for _, n := range ownedNames {
		owned[variable(n)] = true
	}
	random := rand.New(rand.NewPCG(1, 2)) // Not rapid: each case is a real request, and shrinking one takes minutes.
	for range 90 {                        // The channels of the rig hold 100.
		var lines strings.Builder
		for range 4 + random.IntN(16) {
			name := spell(random, ownedNames[random.IntN(len(ownedNames))])
			fmt.Fprintf(&lines, "%s: forged\r\n", name)
			if random.IntN(2) == 0 {
				fmt.Fprintf(&lines, "Connection: %s\r\n", name)
			}
		}
		conn := g.dial(t)
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: gateway.example\r\n"+lines.String()+"Connection: close\r\n\r\n")
		h := await(t, seen, "the request")
		for name, values := range h {
			if v := variable(name); owned[v] && (len(values) != 1 || values[0] != ours[v]) {
				t.Fatalf("the upstream sees %s: %q of\n%s", name, values, lines.String())
			}
		}
		for name, want := range ours {
			found := 0
			for n := range h {
				if variable(n) == name {
					found++
				}
			}
			if found != 1 {
				t.Fatalf("%s is there %d times, want once as %q", name, found, want)
			}
		}
		_ = conn.Close()
		g.outcome(t)
	}
}

// spell writes a header's name in another way.
func spell(random *rand.Rand, name string) string {
	const hyphens = "-_.!#$%&'*+^`|~"
	return strings.Map(func(c rune) rune {
		switch {
		case c == '-':
			return rune(hyphens[random.IntN(len(hyphens))])
		case random.IntN(2) == 0:
			return unicode.ToLower(c)
		}
		return unicode.ToUpper(c)
	}, name)
}

// What an upstream says about its response is told, and not passed on.
func TestUpstreamLabelsItsResponse(t *testing.T) {
	for name, tt := range map[string]struct {
		label []string
		want  string
	}{
		"high":          {[]string{"high"}, "high"},
		"an empty word": {[]string{""}, ""},
		"another word":  {[]string{"secret"}, ""},
		"two labels":    {[]string{"low", "critical"}, ""},
		"none":          {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()[textproto.CanonicalMIMEHeaderKey("X-Vigil-Sensitivity")] = tt.label
			})
			g := newRig(t, url)
			res, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil))
			if err != nil {
				t.Fatal(err)
			}
			body(t, res)
			if got := g.outcome(t).Sensitivity; got != tt.want {
				t.Errorf("sensitivity %q, want %q", got, tt.want)
			}
			if res.Header["X-Vigil-Sensitivity"] != nil {
				t.Errorf("the client is told %q", res.Header["X-Vigil-Sensitivity"])
			}
		})
	}
}
