package route

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
)

// Where it is known beforehand that no stricter route is near nobody looks for one; each
// request is answered as if somebody did.
func TestNearIsNeverMissed(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	const tables = 3000
	spared, slipped := 0, 0
	for range tables {
		var c Config
		for i := range 2 + rng.IntN(4) {
			s := Spec{
				ID: string(rune('a' + i)), Host: pick("", "", "x.test", "*.test", "y.x.test"), Upstream: "http://up",
				Path: "/" + pick("a", "A", "{v}", "b") + pick("", "/", "/a", "/B", "/{w}", "/{rest...}"), Public: rng.IntN(2) == 0,
			}
			if rng.IntN(4) == 0 {
				s.Methods = []string{pick("GET", "POST")}
			}
			if !s.Public && rng.IntN(2) == 0 {
				s.Scopes = []string{pick("read", "write")}
			}
			if rng.IntN(5) == 0 {
				s.SignIn = &SignInSpec{Account: "form:user"}
			}
			c.Routes = append(c.Routes, s)
		}
		quick, err := NewTable(c)
		if err != nil {
			continue // Two of them shadow each other.
		}
		sure, _ := NewTable(c)
		for _, r := range sure.routes {
			if !r.near {
				spared++
			}
			r.near = true
		}
		for _, host := range []string{"x.test", "y.x.test", "z.test", "other"} {
			for _, path := range []string{"/", "/a", "/A", "/a/", "/b", "/B/", "/c", "/a/a", "/A/b", "/a/B", "/a/b/", "/b/c/d", "/c/A"} {
				for _, method := range []string{"GET", "POST", "DELETE"} {
					r := httptest.NewRequest(method, "http://"+host+path, http.NoBody)
					got, gotErr := quick.Match(r)
					want, wantErr := sure.Match(r)
					if errors.Is(wantErr, ErrPath) {
						slipped++
					}
					if id(got) != id(want) || !reflect.DeepEqual(gotErr, wantErr) {
						t.Fatalf("%s %s%s of %+v: %s, %v; want %s, %v", method, host, path, c.Routes, id(got), gotErr, id(want), wantErr)
					}
				}
			}
		}
	}
	if spared < tables/10 || slipped < tables/10 {
		t.Errorf("%d routes were spared and %d requests refused: the tables show nothing", spared, slipped)
	}
}

func id(m Match) string {
	if m.Route == nil {
		return ""
	}
	return m.Route.ID
}
