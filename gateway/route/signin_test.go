package route_test

import (
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
)

func signIn(t *testing.T, s route.SignInSpec) *route.SignIn {
	t.Helper()
	tab, err := route.NewTable(route.Config{Routes: []route.Spec{spec("a", "/", func(r *route.Spec) { r.SignIn = &s })}})
	if err != nil {
		t.Fatal(err)
	}
	return tab.Routes()[0].SignIn
}

func TestAccount(t *testing.T) {
	const form, json = "application/x-www-form-urlencoded", "application/json; charset=utf-8"
	multi := "--x\r\nContent-Disposition: form-data; name=\"p\"\r\n\r\nsecret\r\n--x\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nAlice\r\n--x--\r\n"
	tests := map[string]struct {
		account, contentType, body, want string
	}{
		"form":                                  {"form:user", form, "p=x&user=Alice%40Example.com+", "alice@example.com"},
		"form, escaped name":                    {"form:user", form, "us%65r=bob", "bob"},
		"form, field missing":                   {"form:user", form, "p=x", ""},
		"form, broken escape":                   {"form:user", form, "user=%zz", ""},
		"form, first value counts":              {"form:user", form, "user=a&user=b", "a"},
		"form, field named like another's end":  {"form:user", form, "xuser=a", ""},
		"form that is json":                     {"form:user", json, `{"user":"a"}`, ""},
		"form, cut off behind the field":        {"form:user", form, "user=a&p=" + strings.Repeat("x", route.SignInBodyBytesMax), "a"},
		"form, cut off inside of the field":     {"form:user", form, "p=" + strings.Repeat("x", route.SignInBodyBytesMax-len("p=&user=alic")) + "&user=alice", ""},
		"multipart":                             {"form:user", "multipart/form-data; boundary=x", multi, "alice"},
		"multipart, no boundary":                {"form:user", "multipart/form-data", multi, ""},
		"json":                                  {"json:user", json, `{"p":{"user":"no"},"user":" Alice "}`, "alice"},
		"json, deep":                            {"json:login.name", "application/vnd.x+json", `{"a":[1,{"login":2}],"login":{"b":1,"name":"x"}}`, "x"},
		"json, cut off behind the name":         {"json:user", json, `{"user":"a","p":"` + strings.Repeat("x", route.SignInBodyBytesMax), "a"},
		"json, number":                          {"json:user", json, `{"user":7}`, ""},
		"json, not an object":                   {"json:user", json, `["user","a"]`, ""},
		"json, broken":                          {"json:user", json, `{"user`, ""},
		"json that is a form":                   {"json:user", form, "user=a", ""},
		"no content type":                       {"json:user", "", `{"user":"a"}`, ""},
		"a name that is too long":               {"json:user", json, `{"user":"` + strings.Repeat("x", route.AccountBytesMax+1) + `"}`, ""},
		"a name that is just not too long":      {"json:user", json, `{"user":"` + strings.Repeat("x", route.AccountBytesMax) + `"}`, strings.Repeat("x", route.AccountBytesMax)},
		"a name that is not utf-8 is no person": {"form:user", form, "user=%ff", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := signIn(t, route.SignInSpec{Account: tt.account}).Account([]byte(tt.body), tt.contentType)
			if got != tt.want {
				t.Errorf("Account(%.60q) = %q, want %q", tt.body, got, tt.want)
			}
		})
	}
}

func TestOutcome(t *testing.T) {
	defaults := signIn(t, route.SignInSpec{Account: "form:u"})
	own := signIn(t, route.SignInSpec{Account: "form:u", Success: []int{302}, Failure: []int{200}, MFAFailure: []int{412}})
	tests := map[string]struct {
		signIn *route.SignIn
		status int
		want   string
	}{
		"ok":             {defaults, 200, event.AuthSuccess},
		"unauthorized":   {defaults, 401, event.AuthFailure},
		"server fault":   {defaults, 500, event.AuthNone},
		"own success":    {own, 302, event.AuthSuccess},
		"own failure":    {own, 200, event.AuthFailure},
		"second factor":  {own, 412, event.AuthMFAFailure},
		"defaults apply": {own, 204, event.AuthNone},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.signIn.Outcome(tt.status); got != tt.want {
				t.Errorf("Outcome(%d) = %q, want %q", tt.status, got, tt.want)
			}
		})
	}
}
