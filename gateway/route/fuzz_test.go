package route_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Whatever path comes in: no panic, and what comes out is one spelling that
// reads the same everywhere and is stable under a second look.
func FuzzMatch(f *testing.F) {
	for _, seed := range []string{"/", "/a/b", "/a%2fb", "/a/../b", "/%61", "/a;b", "//", "/%c3%a4", "/%25%32%66", "/a%5c", "*"} {
		f.Add(seed)
	}
	tab := table(f)
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := &http.Request{Method: "GET", Host: "api.example", URL: u, Header: http.Header{}}
		m, err := tab.Match(r)
		if err != nil {
			return
		}
		decoded, err := url.PathUnescape(m.Path)
		if err != nil {
			t.Fatalf("path %q of %q is not decodable: %v", m.Path, target, err)
		}
		if strings.ContainsAny(decoded, "\\;\x00") || strings.Contains(decoded, "//") || strings.Count(decoded, "/") != strings.Count(m.Path, "/") {
			t.Errorf("path %q of %q can be read in two ways", m.Path, target)
		}
		for part := range strings.SplitSeq(decoded, "/") {
			if part == "." || part == ".." {
				t.Errorf("path %q of %q has a dot segment", m.Path, target)
			}
		}
		again := &http.Request{Method: "GET", Host: "api.example", URL: &url.URL{Path: decoded, RawPath: m.Path}, Header: http.Header{}}
		m2, err := tab.Match(again)
		if err != nil || m2.Path != m.Path || m2.Template != m.Template || m2.Route != m.Route {
			t.Errorf("second look at %q gives %+v, %v", m.Path, m2, err)
		}
		if got := m.Target("").EscapedPath(); got != m.Path {
			t.Errorf("forwarded as %q, authorised as %q", got, m.Path)
		}
	})
}
