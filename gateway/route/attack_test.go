package route_test

import (
	"errors"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/route"
)

// A method that a guarded route does not list must not reach its service by the
// public route around it, where nobody is asked who he is.
func TestAMethodThatSlipsFromAGuardedRouteToAPublicOne(t *testing.T) {
	public := func(s *route.Spec) { s.Public = true }
	tab, err := route.NewTable(route.Config{Routes: []route.Spec{
		spec("site", "/{path...}", public),
		spec("admin", "/admin/{path...}", methods("GET", "POST")),
		spec("hook", "/admin/hook", methods("PUT"), public),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ method, target, want string }{
		"a method it has":           {"POST", "/admin/x", "admin"},
		"a method it has not":       {"DELETE", "/admin/x", ""},
		"one in another case":       {"post", "/admin/x", ""},
		"one that nobody knows":     {"JEFF", "/admin/x", ""},
		"one that changes nothing":  {"OPTIONS", "/admin/x", "site"},
		"a public one within":       {"PUT", "/admin/hook", "hook"},
		"past a public one, inward": {"POST", "/admin/hook", "admin"},
		"elsewhere":                 {"DELETE", "/x", "site"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := tab.Match(request(t, tt.method, tt.target, "a.example"))
			switch {
			case tt.want == "" && !errors.Is(err, route.ErrMethod):
				t.Errorf("Match() = %+v, %v, want it refused", m.Route, err)
			case tt.want != "" && (err != nil || m.Route.ID != tt.want):
				t.Errorf("Match() = %+v, %v, want %s", m.Route, err, tt.want)
			}
		})
	}
}
