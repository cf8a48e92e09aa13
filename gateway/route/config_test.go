package route_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/route"
)

// spec is a route without faults, to be spoilt by a test.
func spec(id, path string, change ...func(*route.Spec)) route.Spec {
	s := route.Spec{ID: id, Path: path, Upstream: "http://127.0.0.1:9000"}
	for _, f := range change {
		f(&s)
	}
	return s
}

func TestValidateNamesEachFaultByItsKey(t *testing.T) {
	tests := map[string]struct {
		routes []route.Spec
		want   string // Part of the fault; empty for none.
	}{
		"no routes are no fault":      {},
		"a good route":                {routes: []route.Spec{spec("a", "/a/{id}/b/{rest...}")}},
		"missing id":                  {routes: []route.Spec{spec("", "/a")}, want: "routes[0].id: is missing"},
		"id twice":                    {routes: []route.Spec{spec("a", "/a"), spec("a", "/b")}, want: `routes[1].id: "a" is also the id of routes[0]`},
		"missing path":                {routes: []route.Spec{spec("a", "")}, want: "routes[0].path: is missing"},
		"relative path":               {routes: []route.Spec{spec("a", "a/b")}, want: "does not begin with a slash"},
		"rest in the middle":          {routes: []route.Spec{spec("a", "/a/{x...}/b")}, want: "{x...} must be the last segment"},
		"braces inside of a segment":  {routes: []route.Spec{spec("a", "/a/x{id}")}, want: "write {name}, {name...} or plain text"},
		"variable twice":              {routes: []route.Spec{spec("a", "/{id}/{id}")}, want: "{id} appears twice"},
		"empty segment":               {routes: []route.Spec{spec("a", "/a//b")}, want: "empty segment"},
		"dot segment":                 {routes: []route.Spec{spec("a", "/a/../b")}, want: "dot segment"},
		"template that can not match": {routes: []route.Spec{spec("a", "/a;v=1/b")}, want: "can never match"},
		"posture mistyped":            {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Posture = "stepup" })}, want: `routes[0].posture: unknown value "stepup", did you mean "step_up"?`},
		"posture unknown":             {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Posture = "perhaps-later" })}, want: "must be one of allow, step_up, deny"},
		"sensitivity mistyped":        {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Sensitivity = "hihg" })}, want: `did you mean "high"?`},
		"method in small letters":     {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Methods = []string{"GET", "post"} })}, want: `routes[0].methods[1]: unknown value "post", did you mean "POST"?`},
		"no upstream":                 {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Upstream = "" })}, want: "routes[0].upstream: is missing"},
		"upstream of another scheme":  {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Upstream = "ftp://x" })}, want: "scheme must be http, https or h2c"},
		"upstream without scheme":     {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Upstream = "127.0.0.1:3000" })}, want: `routes[0].upstream: "127.0.0.1:3000" has no scheme: write http://127.0.0.1:3000`},
		"upstream of a name alone":    {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Upstream = "localhost:3000" })}, want: "write http://localhost:3000"},
		"upstream without host":       {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Upstream = "http://:80" })}, want: "names no host"},
		"upstream with a password":    {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Upstream = "http://u:p@x" })}, want: "must not carry a user"},
		"upstream with a query":       {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Upstream = "http://x/?a=1" })}, want: "must not carry a query"},
		"host with port":              {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Host = "a.example:80" })}, want: "leave the port away"},
		"wildcard in the middle":      {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Host = "a.*.example" })}, want: "a wildcard stands first"},
		"two methods in one":          {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.AMR = []string{"pwd otp"} })}, want: "routes[0].amr[0]"},
		"a public route with methods": {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Public, s.AMR = true, []string{"otp"} })}, want: "routes[0].public"},
		"negative age":                {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.MaxAge = -time.Second })}, want: "routes[0].max_age"},
		"two scopes in one":           {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Scopes = []string{"a b"} })}, want: "routes[0].scopes[0]"},
		"public with scopes":          {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Public, s.Scopes = true, []string{"a"} })}, want: "routes[0].public"},
		"sign-in without account":     {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.SignIn = new(route.SignInSpec) })}, want: "routes[0].sign_in: account"},
		"status in two lists": {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) {
			s.SignIn = &route.SignInSpec{Account: "form:u", Success: []int{200}, Failure: []int{200}}
		})}, want: "status 200 is also in success"},
		"barrier until something else": {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Release = &route.ReleaseSpec{Until: "score"} })}, want: `routes[0].release.until: unknown value "score", did you mean "scored"?`},
		"barrier of no time":           {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Release = &route.ReleaseSpec{Max: time.Microsecond} })}, want: "routes[0].release.max: must be between 1ms and 5s, is 1µs"},
		"barrier for ever":             {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Release = &route.ReleaseSpec{Max: time.Minute} })}, want: "routes[0].release.max: must be between 1ms and 5s, is 1m0s"},
		"barrier with another end":     {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Release = &route.ReleaseSpec{Else: "alow"} })}, want: `routes[0].release.else: unknown value "alow", did you mean "allow"?`},
		"barrier on a public route":    {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.Public, s.Release = true, new(route.ReleaseSpec) })}, want: "routes[0].release: a public route has nothing to wait for"},
		"barrier on a sign-in": {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) {
			s.SignIn, s.Release = &route.SignInSpec{Account: "form:u"}, new(route.ReleaseSpec)
		})}, want: "routes[0].release: a sign-in has nothing to wait for"},
		"no such status":               {routes: []route.Spec{spec("a", "/a", func(s *route.Spec) { s.SignIn = &route.SignInSpec{Account: "form:u", Success: []int{42}} })}, want: "42 is not an HTTP status"},
		"same template, other names":   {routes: []route.Spec{spec("a", "/x/{id}"), spec("b", "/x/{name}")}, want: `routes[1].path: route "b" shadows route "a" (routes[0])`},
		"same rest":                    {routes: []route.Spec{spec("a", "/x/{p...}"), spec("b", "/x/{q...}")}, want: `shadows route "a"`},
		"hosts that differ by case":    {routes: []route.Spec{spec("a", "/", func(s *route.Spec) { s.Host = "A.example" }), spec("b", "/", func(s *route.Spec) { s.Host = "a.EXAMPLE" })}, want: "shadows"},
		"overlapping methods":          {routes: []route.Spec{spec("a", "/x", func(s *route.Spec) { s.Methods = []string{"GET"} }), spec("b", "/x", func(s *route.Spec) { s.Methods = []string{"POST", "HEAD"} })}, want: "both take HEAD"},
		"methods apart":                {routes: []route.Spec{spec("a", "/x", func(s *route.Spec) { s.Methods = []string{"GET"} }), spec("b", "/x", func(s *route.Spec) { s.Methods = []string{"POST"} })}},
		"methods beside all":           {routes: []route.Spec{spec("a", "/x", func(s *route.Spec) { s.Methods = []string{"GET"} }), spec("b", "/x")}},
		"literal beside variable":      {routes: []route.Spec{spec("a", "/x/y"), spec("b", "/x/{id}"), spec("c", "/x/{p...}")}},
		"literals spelt in two ways":   {routes: []route.Spec{spec("a", "/x/a b"), spec("b", "/x/a%20b")}, want: "can never match"},
		"the same on different hosts":  {routes: []route.Spec{spec("a", "/x", func(s *route.Spec) { s.Host = "a.example" }), spec("b", "/x", func(s *route.Spec) { s.Host = "*.example" }), spec("c", "/x")}},
		"several faults are all named": {routes: []route.Spec{{ID: "a", Posture: "denyy"}}, want: "routes[0].path: is missing\nroutes[0].upstream: is missing\nroutes[0].posture"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := route.Config{Routes: tt.routes}.Validate()
			if tt.want == "" {
				if err != nil {
					t.Fatalf("Validate() = %v, want no fault", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate() = %v, want a fault with %q", err, tt.want)
			}
			_, err = route.NewTable(route.Config{Routes: tt.routes})
			if err == nil {
				t.Error("NewTable accepted a faulty configuration")
			}
		})
	}
}

// What a barrier does not say follows from its route.
func TestBarrierHasDefaults(t *testing.T) {
	tests := map[string]struct {
		spec route.Spec
		want *route.Release
	}{
		"no barrier":          {spec: spec("a", "/a")},
		"an empty one":        {spec: spec("a", "/a", func(s *route.Spec) { s.Release = new(route.ReleaseSpec) }), want: &route.Release{Max: 50 * time.Millisecond, Else: route.PostureAllow}},
		"of a critical route": {spec: spec("a", "/a", func(s *route.Spec) { s.Sensitivity, s.Release = route.SensitivityCritical, new(route.ReleaseSpec) }), want: &route.Release{Max: 50 * time.Millisecond, Else: route.PostureDeny}},
		"that names the posture": {spec: spec("a", "/a", func(s *route.Spec) {
			s.Posture, s.Release = route.PostureStepUp, &route.ReleaseSpec{Until: "scored", Else: "posture"}
		}), want: &route.Release{Max: 50 * time.Millisecond, Else: route.PostureStepUp}},
		"that has its own of all": {spec: spec("a", "/a", func(s *route.Spec) {
			s.Posture, s.Release = route.PostureDeny, &route.ReleaseSpec{Max: time.Second, Else: "allow"}
		}), want: &route.Release{Max: time.Second, Else: route.PostureAllow}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			table, err := route.NewTable(route.Config{Routes: []route.Spec{tt.spec}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, table.Routes()[0].Release); diff != "" {
				t.Errorf("barrier (-want +got):\n%s", diff)
			}
		})
	}
}

func TestValidateBoundsTheTable(t *testing.T) {
	err := route.Config{Routes: make([]route.Spec, route.RoutesMax+1)}.Validate()
	if err == nil || !strings.Contains(err.Error(), "routes: at most") {
		t.Error("Validate() accepted more than RoutesMax routes")
	}
}
