package route_test

import (
	"errors"
	"testing"
	"time"

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

// Many services take a path in another case, or with a slash more or less, for the one
// that they know: it must not lead past the route that asks who somebody is.
func TestAPathThatSlipsFromAGuardedRouteToAPublicOne(t *testing.T) {
	public := func(s *route.Spec) { s.Public = true }
	tab, err := route.NewTable(route.Config{Routes: []route.Spec{
		spec("site", "/{path...}", public),
		spec("page", "/pages/{name}", public),
		spec("admin", "/admin/{path...}"),
		spec("account", "/account"),
		spec("orders", "/Orders/{id}/", methods("POST")),
		spec("new", "/Orders/new", public),
		spec("secret", "/pages/secret"),
		spec("intro", "/admin/intro", public),
		spec("closed", "/both/{x}/"),
		spec("login", "/login", methods("POST"), public, func(s *route.Spec) { s.SignIn = &route.SignInSpec{Account: "form:user"} }),
		spec("open", "/both/{x}", public),
		spec("elsewhere", "/x/{path...}", func(s *route.Spec) { s.Host = "b.example" }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ method, target, want string }{
		{"GET", "/admin/x", "admin"},
		{"GET", "/admin/", "admin"},
		{"GET", "/admin", ""},
		{"GET", "/ADMIN/x", ""},
		{"GET", "/Admin", ""},
		{"GET", "/%41dmin/", ""},
		{"GET", "/administration", "site"},
		{"GET", "/account", "account"},
		{"GET", "/account/", ""},
		{"GET", "/aCCount", ""},
		{"GET", "/account/x", "site"},
		{"POST", "/Orders/7/", "orders"},
		{"POST", "/Orders/7", ""},
		{"POST", "/orders/7/", ""},
		{"DELETE", "/orders/7", ""}, // It would not have been let to /Orders/7/ either.
		{"GET", "/orders/7", "site"},
		{"GET", "/Orders/new", "new"},
		{"GET", "/Orders/new/", "site"},
		{"GET", "/pages/Secret", ""},
		{"GET", "/pages/secret/", ""},
		{"GET", "/pages/other", "page"},
		{"GET", "/Pages/other", "site"},
		{"GET", "/admin/intro", "intro"},
		{"GET", "/admin/intro/", "admin"},
		{"POST", "/login", "login"},
		{"POST", "/login/", ""}, // Nobody would see which account is tried.
		{"POST", "/LogIn", ""},
		{"GET", "/LogIn", "site"},
		{"GET", "/both/7", "open"},
		{"GET", "/both/7/", "closed"},
		{"GET", "/BOTH/7", ""},
		{"GET", "/x/y", "site"},
		{"GET", "/", "site"},
	} {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			m, err := tab.Match(request(t, tt.method, tt.target, "a.example"))
			switch {
			case tt.want == "" && !errors.Is(err, route.ErrPath):
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

// The same from a strict guarded route to a weaker one around it: who may read must not
// be an administrator for writing his path or method otherwise.
func TestWhatSlipsFromAStrictRouteToAWeakerOne(t *testing.T) {
	for name, strict := range map[string]func(*route.Spec){
		"scope":        func(s *route.Spec) { s.Scopes = []string{"read", "admin"} },
		"acr":          func(s *route.Spec) { s.ACR = []string{"gold"} },
		"amr":          func(s *route.Spec) { s.AMR = []string{"hwk"} },
		"binding":      func(s *route.Spec) { s.Binding = []string{"dpop"} },
		"age":          func(s *route.Spec) { s.MaxAge = time.Minute },
		"posture":      func(s *route.Spec) { s.Posture = route.PostureDeny },
		"acr of fewer": func(s *route.Spec) { s.ACR, s.Scopes = []string{"silver", "gold"}, nil },
	} {
		weak := func(s *route.Spec) { s.Scopes, s.ACR = []string{"read"}, []string{"silver", "gold", "tin"} }
		tab, err := route.NewTable(route.Config{Routes: []route.Spec{
			spec("api", "/{path...}", weak),
			spec("admin", "/admin/{path...}", methods("GET", "POST"), weak, strict),
			spec("alike", "/alike/{path...}", methods("GET", "POST"), weak),
			spec("looser", "/looser/{path...}", methods("GET", "POST"), func(s *route.Spec) { s.ACR = []string{"silver", "gold", "tin", "wood"} }),
			spec("meant", "/Admin/list", weak),
			spec("listed", "/admin/list", methods("PUT"), weak),
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ method, target, want string }{
			{"GET", "/admin/x", "admin"},
			{"GET", "/ADMIN/x", ""},
			{"GET", "/admin", ""},
			{"DELETE", "/admin/x", ""},
			{"post", "/admin/x", ""},
			{"OPTIONS", "/admin/x", "api"},
			{"GET", "/Admin/list", "meant"},
			{"PUT", "/admin/list", "listed"},
			{"GET", "/ALIKE/x", "api"},
			{"DELETE", "/alike/x", "api"},
			{"GET", "/Looser/x", "api"},
			{"DELETE", "/looser/x", "api"},
			{"GET", "/x", "api"},
		} {
			m, err := tab.Match(request(t, tt.method, tt.target, "a.example"))
			if got := m.Route; tt.want == "" && err == nil || tt.want != "" && (err != nil || got.ID != tt.want) {
				t.Errorf("%s: %s %s goes to %+v, %v, want %q", name, tt.method, tt.target, got, err, tt.want)
			}
		}
	}
}

// Nobody must guess passwords where it is not seen which account he tries: neither by
// another spelling of the path nor by another method.
func TestASignInThatSlipsIntoAnotherRoute(t *testing.T) {
	for name, public := range map[string]bool{"guarded": false, "public": true} {
		tab, err := route.NewTable(route.Config{Routes: []route.Spec{
			spec("site", "/{path...}", func(s *route.Spec) { s.Public = public }),
			spec("login", "/login", methods("POST"), func(s *route.Spec) {
				s.Public, s.SignIn = true, &route.SignInSpec{Account: "form:user"}
			}),
		}})
		if err != nil {
			t.Fatal(err)
		}
		for _, try := range []struct{ method, target string }{
			{"POST", "/Login"}, {"POST", "/login/"}, {"PUT", "/login"}, {"post", "/login"}, {"PUT", "/LOGIN"},
		} {
			m, err := tab.Match(request(t, try.method, try.target, "a.example"))
			if err == nil {
				t.Errorf("%s: %s %s goes to %s, want it refused", name, try.method, try.target, m.Route.ID)
			}
		}
		m, err := tab.Match(request(t, "GET", "/login", "a.example")) // The form.
		if err != nil || m.Route.ID != "site" {
			t.Errorf("%s: the form: %v, %v", name, m.Route, err)
		}
	}
}

// Of COPY and MOVE the path says only from where: who may write to one place must not
// write to another, which he names in a header.
func TestADestinationIsAuthorisedToo(t *testing.T) {
	tab, err := route.NewTable(route.Config{Routes: []route.Spec{
		spec("files", "/files/{path...}"),
		spec("vault", "/files/vault/{path...}", func(s *route.Spec) { s.Scopes = []string{"vault"} }),
		spec("drop", "/drop/{path...}", methods("PUT")),
		spec("other", "/{path...}", func(s *route.Spec) { s.Host = "b.example" }),
		spec("elsewhere", "/elsewhere/{path...}", func(s *route.Spec) { s.Upstream = "http://127.0.0.2:1" }),
		spec("tenant", "/tenant/{path...}", func(s *route.Spec) { s.Upstream = "http://127.0.0.3:1/one" }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, target string
		to             []string
		want           string
	}{
		{"COPY", "/files/a", []string{"/files/b"}, "files"},
		{"COPY", "/files/a", []string{"http://a.example/files/b"}, "files"},
		{"COPY", "/files/a", []string{"http://A.example:8080/files/b%20c"}, "files"},
		{"COPY", "/files/vault/a", []string{"/files/b"}, "vault"},
		{"COPY", "/files/a", nil, "files"}, // Which no service takes.
		{"PUT", "/files/a", []string{"Paris"}, "files"},
		{"COPY", "/files/a", []string{"/files/vault/b"}, ""},
		{"MOVE", "/files/a", []string{"http://a.example/files/vault/b"}, ""},
		{"move", "/files/a", []string{"/files/vault/b"}, ""},
		{"COPY", "/files/a", []string{"/files/VAULT/b"}, ""},
		{"COPY", "/files/a", []string{"/files/x/../vault/b"}, ""},
		{"COPY", "/files/a", []string{"/files/%76ault/b"}, ""},
		{"COPY", "/files/a", []string{"/files//vault/b"}, ""},
		{"COPY", "/files/a", []string{"/files/b", "/files/vault/b"}, ""},
		{"COPY", "/files/a", []string{"/drop/b"}, ""}, // It takes PUT alone.
		{"COPY", "/files/a", []string{"/nowhere"}, ""},
		{"COPY", "/files/a", []string{"http://b.example/x"}, ""},
		{"COPY", "/files/a", []string{"//b.example/x"}, ""},
		{"COPY", "/files/a", []string{"b"}, ""},
		{"COPY", "/files/a", []string{"/files/b#/../vault/b"}, ""},
		{"COPY", "/files/a", []string{"/elsewhere/b"}, ""}, // There it would be another place.
		{"COPY", "/tenant/a", []string{"/tenant/b"}, ""},   // It would not be below /one.
		{"COPY", "/files/a", []string{""}, ""},
		{"COPY", "/files/a", []string{"file:///files/b"}, ""},
		{"COPY", "/files/a", []string{"http://u@a.example/files/b"}, ""},
	} {
		r := request(t, tt.method, tt.target, "a.example")
		r.Header["Destination"] = tt.to
		m, err := tab.Match(r)
		if tt.want == "" && !errors.Is(err, route.ErrPath) || tt.want != "" && (err != nil || m.Route.ID != tt.want) {
			t.Errorf("%s %s to %q: %+v, %v, want %q", tt.method, tt.target, tt.to, m.Route, err, tt.want)
		}
	}
}
