package route_test

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/route"
)

func methods(m ...string) func(*route.Spec) { return func(s *route.Spec) { s.Methods = m } }

func host(h string) func(*route.Spec) { return func(s *route.Spec) { s.Host = h } }

// table is the routing table of these tests.
func table(tb testing.TB) *route.Table {
	tb.Helper()
	tab, err := route.NewTable(route.Config{Routes: []route.Spec{
		spec("rest", "/{path...}", host("api.example")),
		spec("orders", "/accounts/{id}/orders/{order}", host("api.example")),
		spec("account", "/accounts/{id}", host("api.example"), methods("GET", "PATCH")),
		spec("me", "/accounts/me", host("api.example")),
		spec("files", "/accounts/{id}/files/{path...}", host("api.example")),
		spec("only-post", "/only", host("post.example"), methods("POST", "PUT")),
		spec("read", "/mixed", host("post.example"), methods("GET")),
		spec("mixed", "/mixed", host("post.example")),
		spec("sub", "/{path...}", host("*.wild.example")),
		spec("deep", "/{path...}", host("*.deep.wild.example")),
		spec("any", "/health"),
		spec("space", "/a%20b/{id}"),
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return tab
}

// request parses a request as a server would.
func request(tb testing.TB, method, target, host string) *http.Request {
	tb.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method, target, host))))
	if err != nil {
		tb.Fatalf("net/http refuses it itself: %v", err)
	}
	return r
}

func TestMatch(t *testing.T) {
	type want struct{ ID, Template, Resource, Path string }
	tests := map[string]struct {
		method, host, target string
		want                 want
	}{
		"a literal beats a variable":              {"GET", "api.example", "/accounts/me", want{"me", "/accounts/me", "", "/accounts/me"}},
		"a variable beats the rest":               {"GET", "api.example", "/accounts/42", want{"account", "/accounts/{id}", "42", "/accounts/42"}},
		"the last id is the resource":             {"GET", "api.example", "/accounts/42/orders/7", want{"orders", "/accounts/{id}/orders/{order}", "7", "/accounts/42/orders/7"}},
		"the query does not count":                {"GET", "api.example", "/accounts/42?x=/../y", want{"account", "/accounts/{id}", "42", "/accounts/42"}},
		"another method falls back to the rest":   {"DELETE", "api.example", "/accounts/42", want{"rest", "/accounts/{id}", "42", "/accounts/42"}},
		"HEAD follows GET":                        {"HEAD", "api.example", "/accounts/42", want{"account", "/accounts/{id}", "42", "/accounts/42"}},
		"behind the rest ids become templates":    {"GET", "api.example", "/v1/users/17/posts/9", want{"rest", "/v1/users/{id}/posts/{id}", "9", "/v1/users/17/posts/9"}},
		"behind the rest a uuid is an id":         {"GET", "api.example", "/o/6F9619FF-8B86-D011-B42D-00C04FC964FF", want{"rest", "/o/{id}", "6F9619FF-8B86-D011-B42D-00C04FC964FF", "/o/6F9619FF-8B86-D011-B42D-00C04FC964FF"}},
		"behind the rest a digest is an id":       {"GET", "api.example", "/blob/0f1e2d3c4b5a69788796a5b4c3d2e1f0/raw", want{"rest", "/blob/{id}/raw", "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "/blob/0f1e2d3c4b5a69788796a5b4c3d2e1f0/raw"}},
		"behind the rest a ulid is an id":         {"GET", "api.example", "/x/01ARZ3NDEKTSV4RRFFQ69G5FAV", want{"rest", "/x/{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "/x/01ARZ3NDEKTSV4RRFFQ69G5FAV"}},
		"behind the rest words stay":              {"GET", "api.example", "/docs/feedface/v2", want{"rest", "/docs/feedface/v2", "", "/docs/feedface/v2"}},
		"the rest may be empty":                   {"GET", "api.example", "/", want{"rest", "/", "", "/"}},
		"rest behind a variable, without an id":   {"GET", "api.example", "/accounts/42/files/a/b", want{"files", "/accounts/{id}/files/a/b", "42", "/accounts/42/files/a/b"}},
		"rest behind a variable, with an id":      {"GET", "api.example", "/accounts/42/files/77", want{"files", "/accounts/{id}/files/{id}", "77", "/accounts/42/files/77"}},
		"a variable is never empty":               {"GET", "api.example", "/accounts/", want{"rest", "/accounts/", "", "/accounts/"}},
		"port and case of the host do not count":  {"GET", "API.example:8443", "/accounts/me", want{"me", "/accounts/me", "", "/accounts/me"}},
		"the last dot of the host does not count": {"GET", "api.example.", "/accounts/me", want{"me", "/accounts/me", "", "/accounts/me"}},
		"any host is asked last":                  {"GET", "nowhere.example", "/health", want{"any", "/health", "", "/health"}},
		"an exact host that has the rest":         {"GET", "api.example", "/health", want{"rest", "/health", "", "/health"}},
		"a wildcard":                              {"GET", "a.wild.example", "/x", want{"sub", "/x", "", "/x"}},
		"the longer wildcard wins":                {"GET", "a.deep.wild.example", "/x", want{"deep", "/x", "", "/x"}},
		"a wildcard over two labels":              {"GET", "a.b.wild.example", "/x", want{"sub", "/x", "", "/x"}},
		"methods beat all methods":                {"GET", "post.example", "/mixed", want{"read", "/mixed", "", "/mixed"}},
		"all methods take the others":             {"POST", "post.example", "/mixed", want{"mixed", "/mixed", "", "/mixed"}},
		"plain characters are decoded once":       {"GET", "api.example", "/accounts/%34%32", want{"account", "/accounts/{id}", "42", "/accounts/42"}},
		"literals match decoded":                  {"GET", "api.example", "/%61ccounts/me", want{"me", "/accounts/me", "", "/accounts/me"}},
		"encoding is put in upper case":           {"GET", "x.example", "/a%20b/%c3%a4", want{"space", "/a%20b/{id}", "%C3%A4", "/a%20b/%C3%A4"}},
		"a percent sign stays encoded":            {"GET", "api.example", "/accounts/100%25", want{"account", "/accounts/{id}", "100%25", "/accounts/100%25"}},
		"absolute form without a path":            {"GET", "api.example", "http://api.example", want{"rest", "/", "", "/"}},
		"address of version 6":                    {"GET", "[::1]:80", "/health", want{"any", "/health", "", "/health"}},
	}
	tab := table(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := tab.Match(request(t, tt.method, tt.target, tt.host))
			if err != nil {
				t.Fatalf("Match(%s %s%s) = %v", tt.method, tt.host, tt.target, err)
			}
			got := want{m.Route.ID, m.Template, m.Resource, m.Path}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Match(%s %s%s) (-want +got):\n%s", tt.method, tt.host, tt.target, diff)
			}
		})
	}
}

func TestMatchRefuses(t *testing.T) {
	tests := map[string]struct {
		method, host, target string
		want                 error
	}{
		"a path that no route takes":    {"GET", "post.example", "/none", route.ErrNoRoute},
		"a host that no route takes":    {"GET", "example", "/accounts/me", route.ErrNoRoute},
		"the bare name of a wildcard":   {"GET", "wild.example", "/x", route.ErrNoRoute},
		"a method that no route takes":  {"GET", "post.example", "/only", route.ErrMethod},
		"a trailing slash":              {"POST", "post.example", "/only/", route.ErrNoRoute},
		"a path in another case":        {"GET", "x.example", "/HEALTH", route.ErrNoRoute},
		"encoded slash":                 {"GET", "api.example", "/a%2fb", route.ErrPath},
		"encoded slash, upper case":     {"GET", "api.example", "/a%2Fb", route.ErrPath},
		"encoded backslash":             {"GET", "api.example", "/a%5cb", route.ErrPath},
		"backslash":                     {"GET", "api.example", `/a\b`, route.ErrPath},
		"dot segment":                   {"GET", "api.example", "/a/../b", route.ErrPath},
		"encoded dot segment":           {"GET", "api.example", "/a/%2e%2e/b", route.ErrPath},
		"half encoded dot segment":      {"GET", "api.example", "/a/.%2E", route.ErrPath},
		"single dot":                    {"GET", "api.example", "/a/./b", route.ErrPath},
		"parameter":                     {"GET", "api.example", "/a;x=1/b", route.ErrPath},
		"encoded parameter":             {"GET", "api.example", "/a%3bx", route.ErrPath},
		"dots behind a parameter":       {"GET", "api.example", "/a/..;/b", route.ErrPath},
		"empty segment":                 {"GET", "api.example", "/a//b", route.ErrPath},
		"empty first segment":           {"GET", "api.example", "//evil.example/x", route.ErrPath},
		"nul":                           {"GET", "api.example", "/a%00b", route.ErrPath},
		"line feed":                     {"GET", "api.example", "/a%0ab", route.ErrPath},
		"control of version 1":          {"GET", "api.example", "/a%c2%85", route.ErrPath},
		"delete":                        {"GET", "api.example", "/a%7f", route.ErrPath},
		"not utf-8":                     {"GET", "api.example", "/a%ff", route.ErrPath},
		"overlong slash":                {"GET", "api.example", "/a%c0%afb", route.ErrPath},
		"surrogate":                     {"GET", "api.example", "/a%ed%a0%80", route.ErrPath},
		"encoded twice":                 {"GET", "api.example", "/a%252e%252e/b", route.ErrPath},
		"encoded twice, each character": {"GET", "api.example", "/a%25%32%66b", route.ErrPath},
		"asterisk":                      {"OPTIONS", "api.example", "*", route.ErrPath},
		"connect":                       {"CONNECT", "api.example:443", "api.example:443", route.ErrPath},
		"too long":                      {"GET", "api.example", "/" + strings.Repeat("a", route.PathBytesMax), route.ErrPath},
		"too many segments":             {"GET", "api.example", strings.Repeat("/a", route.SegmentsMax+1), route.ErrPath},
		"user in the host":              {"GET", "user@api.example", "/accounts/me", route.ErrPath},
		"bracket that is not closed":    {"GET", "[::1", "/health", route.ErrPath},
	}
	tab := table(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := tab.Match(request(t, tt.method, tt.target, tt.host))
			if !errors.Is(err, tt.want) {
				t.Errorf("Match(%s %s%s) = %+v, %v, want %v", tt.method, tt.host, tt.target, m, err, tt.want)
			}
		})
	}
}

func TestMatchTakesWhatIsJustWithinTheLimits(t *testing.T) {
	tab := table(t)
	for _, target := range []string{"/" + strings.Repeat("a", route.PathBytesMax-1), strings.Repeat("/a", route.SegmentsMax)} {
		_, err := tab.Match(request(t, "GET", target, "api.example"))
		if err != nil {
			t.Errorf("Match of %d bytes = %v", len(target), err)
		}
	}
}

func TestMethodErrorNamesWhatThePathTakes(t *testing.T) {
	_, err := table(t).Match(request(t, "GET", "/only", "post.example"))
	var e *route.MethodError
	if !errors.As(err, &e) {
		t.Fatalf("Match() = %v, want a MethodError", err)
	}
	if diff := cmp.Diff([]string{"POST", "PUT"}, e.Allow); diff != "" {
		t.Errorf("Allow (-want +got):\n%s", diff)
	}
}

func TestPostureFollowsSensitivity(t *testing.T) {
	tests := map[string]struct {
		change func(*route.Spec)
		want   string
	}{
		"normal":   {func(*route.Spec) {}, route.PostureAllow},
		"high":     {func(s *route.Spec) { s.Sensitivity = route.SensitivityHigh }, route.PostureStepUp},
		"critical": {func(s *route.Spec) { s.Sensitivity = route.SensitivityCritical }, route.PostureDeny},
		"public":   {func(s *route.Spec) { s.Sensitivity, s.Public = route.SensitivityHigh, true }, route.PostureAllow},
		"explicit": {func(s *route.Spec) { s.Sensitivity, s.Posture = route.SensitivityCritical, route.PostureAllow }, route.PostureAllow},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tab, err := route.NewTable(route.Config{Routes: []route.Spec{spec("a", "/", tt.change)}})
			if err != nil {
				t.Fatal(err)
			}
			if got := tab.Routes()[0].Posture; got != tt.want {
				t.Errorf("posture is %q, want %q", got, tt.want)
			}
		})
	}
}

// The upstream must receive the very bytes that were authorised.
func TestTargetReachesTheUpstreamUnchanged(t *testing.T) {
	got := make(chan string, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.RequestURI }))
	defer upstream.Close()
	for base, prefix := range map[string]string{upstream.URL: "", upstream.URL + "/": "", upstream.URL + "/v1/": "/v1", upstream.URL + "/v1": "/v1"} {
		tab, err := route.NewTable(route.Config{Routes: []route.Spec{spec("a", "/{path...}", func(s *route.Spec) { s.Upstream = base })}})
		if err != nil {
			t.Fatal(err)
		}
		for target, want := range map[string]string{
			"/":                          "/",
			"/a%20b/%C3%A4!$&'()*+,=:@~": "/a%20b/%C3%A4!$&'()*+,=:@~",
			"/a%22b?q=%2F&r=;":           "/a%22b?q=%2F&r=;",
		} {
			r := request(t, "GET", target, "x")
			m, err := tab.Match(r)
			if err != nil {
				t.Fatalf("Match(%s) = %v", target, err)
			}
			out, err := http.NewRequestWithContext(t.Context(), "GET", m.Target(r.URL.RawQuery).String(), http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			out.URL = m.Target(r.URL.RawQuery)
			resp, err := http.DefaultClient.Do(out)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if uri := <-got; uri != prefix+want {
				t.Errorf("upstream saw %q, want %q", uri, prefix+want)
			}
		}
	}
}

func TestMatchOfAPlainPathDoesNotAllocate(t *testing.T) {
	tab, r := table(t), request(t, "GET", "/accounts/42/orders/7", "api.example")
	allocations := testing.AllocsPerRun(100, func() {
		_, err := tab.Match(r)
		if err != nil {
			t.Error(err)
		}
	})
	if allocations > 0 {
		t.Errorf("Match made %v allocations, want 0", allocations)
	}
}
