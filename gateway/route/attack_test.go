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

// Who asks for his request to be sent back would see what the gateway tells the
// upstream about him: no route takes that, not even one that takes every method.
func TestTraceShowsNobodyTheAssertion(t *testing.T) {
	tab, err := route.NewTable(route.Config{Routes: []route.Spec{spec("any", "/{path...}")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"TRACE", "trace", "Track"} {
		_, err = tab.Match(request(t, method, "/x", "a.example"))
		var allowed *route.MethodError
		if !errors.As(err, &allowed) || len(allowed.Allow) == 0 {
			t.Errorf("%s: %v, want it refused with what is allowed", method, err)
		}
	}
	for _, method := range []string{"GET", "TRACER", "JEFF"} {
		_, err = tab.Match(request(t, method, "/x", "a.example"))
		if err != nil {
			t.Errorf("%s: %v, want it to pass", method, err)
		}
	}
	err = route.Config{Routes: []route.Spec{spec("any", "/{path...}", methods("TRACE"))}}.Validate()
	if err == nil {
		t.Error("a route may list TRACE")
	}
}
