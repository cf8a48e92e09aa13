package route_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
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
		"form, the same twice":                  {"form:user", form, "user=a&user=A+", "a"},
		"form, field named like another's end":  {"form:user", form, "xuser=a", ""},
		"form, sent as json":                    {"form:user", json, `{"user":"a"}`, "a"},
		"multipart":                             {"form:user", "multipart/form-data; boundary=x", multi, "alice"},
		"multipart, no boundary":                {"form:user", "multipart/form-data", multi, ""},
		"json":                                  {"json:user", json, `{"p":{"user":"no"},"user":" Alice "}`, "alice"},
		"json, deep":                            {"json:login.name", "application/vnd.x+json", `{"a":[1,{"login":2}],"login":{"b":1,"name":"x"}}`, "x"},
		"json, whole number":                    {"json:user", json, `{"user":7}`, "7"},
		"json, null":                            {"json:user", json, `{"user":null}`, ""},
		"json, not an object":                   {"json:user", json, `["user","a"]`, ""},
		"json, behind space":                    {"json:user", json, " \n" + `{"user":"a"} `, "a"},
		"nothing":                               {"json:user", json, "", ""},
		"json, sent as a form":                  {"json:user", form, "user=a", "a"},
		"json from deep within, sent as a form": {"json:a.user", form, "user=a", ""},
		"json, no content type":                 {"json:user", "", `{"user":"a"}`, "a"},
		"json, said to be text":                 {"json:user", "text/plain", `{"user":"a"}`, "a"},
		"json, behind a byte order mark":        {"json:user", json, "\ufeff" + `{"user":"a"}`, "a"},
		"json, in another case":                 {"json:login.user", json, `{"Login":{"USER":"a"}}`, "a"},
		"form, no content type":                 {"form:user", "", "user=a", "a"},
		"a name that is too long":               {"json:user", json, `{"user":"` + strings.Repeat("x", route.AccountBytesMax+1) + `"}`, ""},
		"a name that is just not too long":      {"json:user", json, `{"user":"` + strings.Repeat("x", route.AccountBytesMax) + `"}`, strings.Repeat("x", route.AccountBytesMax)},
		"a name that is not utf-8 is no person": {"form:user", form, "user=%ff", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := attempt("/", tt.contentType)
			got, err := signIn(t, route.SignInSpec{Account: tt.account}).Account(r, []byte(tt.body))
			if err != nil || got != tt.want {
				t.Errorf("Account(%.60q) = %q, %v, want %q", tt.body, got, err, tt.want)
			}
		})
	}
}

// attempt is the header of a sign-in.
func attempt(target, contentType string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, http.NoBody)
	r.Header.Set("Content-Type", contentType)
	return r
}

// Who guesses the passwords of an account that is watched or blocked writes
// another name where the gateway looks and the account where his victim does.
func TestGuessingBehindAnotherName(t *testing.T) {
	const form, json = "application/x-www-form-urlencoded", "application/json"
	part := func(name, value string) string {
		return "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
	}
	// of is a form with one part whose header is written by hand, behind one in order.
	of := func(header, value string) string {
		return part("p", "secret") + "--x\r\n" + header + "\r\n\r\n" + value + "\r\n--x--\r\n"
	}
	const multi, named = "multipart/form-data; boundary=x", `Content-Disposition: form-data; name="user"`
	for name, tt := range map[string]struct{ account, target, contentType, encoding, body string }{
		"a part in base64":              {"form:user", "/", multi, "", of(named+"\r\nContent-Transfer-Encoding: base64", "YWxpY2U=")}, // Django decodes it.
		"a part in quoted-printable":    {"form:user", "/", multi, "", of(named+"\r\nContent-Transfer-Encoding: quoted-printable", "alic=65")},
		"a part in UTF-16":              {"form:user", "/", multi, "", of(named+"\r\nContent-Type: text/plain; charset=utf-16be", "\x00a")},
		"a part that is none of a form": {"form:user", "/", multi, "", of(`Content-Disposition: attachment; name="user"`, "alice")}, // PHP and Django look at the name alone.
		"a part of no disposition":      {"form:user", "/", multi, "", of(`Content-Type: text/plain`, "alice")},
		"a part with two names":         {"form:user", "/", multi, "", of(`Content-Disposition: form-data; name="x"; name="user"`, "alice")},
		"a part with a name beside one": {"form:user", "/", multi, "", of(`Content-Disposition: form-data; name="x"; name*=utf-8''user`, "alice")},
		"a part with two dispositions":  {"form:user", "/", multi, "", of("Content-Disposition: form-data; name=\"x\"\r\n"+named, "alice")},
		"a name in other quotes":        {"form:user", "/", multi, "", of(`Content-Disposition: form-data; name='user'`, "alice")}, // Of PHP.
		"a part whose header is broken": {"form:user", "/", multi, "", of("Content-Disposition : form-data; name=\"user\"", "alice")},
		"a part without an end":         {"form:user", "/", multi, "", part("p", "secret") + "--x\r\n" + named + "\r\n\r\nalice"},
		"two fields":                    {"form:user", "/", form, "", "user=decoy&user=alice"},
		"two fields, one escaped":       {"form:user", "/", form, "", "user=decoy&%75ser=alice"},
		"a field in the query":          {"form:user", "/?user=alice", form, "", "user=decoy"},
		"two parts":                     {"form:user", "/", "multipart/form-data; boundary=x", "", part("user", "decoy") + part("user", "alice") + "--x--\r\n"},
		"two members":                   {"json:user", "/", json, "", `{"user":"decoy","user":"alice"}`},
		"two members, one escaped":      {"json:user", "/", json, "", `{"user":"decoy","\u0075ser":"alice"}`},
		"two members, in two cases":     {"json:user", "/", json, "", `{"user":"decoy","User":"alice"}`},
		"two objects on the way":        {"json:a.user", "/", json, "", `{"a":{"user":"decoy"},"a":{"user":"alice"}}`},
		"compressed":                    {"json:user", "/", json, "gzip", "\x1f\x8b"},
		"in another set of letters":     {"json:user", "/", json + "; charset=utf-16le", "", "{\x00}\x00"},
		"JSON and the query":            {"json:user", "/?user=alice", json, "", `{"user":"decoy"}`},
		"a type that some mend":         {"form:user", "/", form + "; charset", "", "user=alice"},
		"a form in EBCDIC, as it is":    {"form:user", "/", form + "; charset=ibm037", "", "%A4%A2%85%99=%81"},
		// Python's json.loads tells UTF-16 and UTF-32 by their zeros.
		"in UTF-16, which nothing says": {"json:user", "/", json, "", "{\x00\"\x00u\x00s\x00e\x00r\x00\"\x00:\x00\"\x00a\x00\"\x00}\x00"},
		"the same, said to be a form":   {"json:user", "/", form, "", "{\x00\"\x00u\x00s\x00e\x00r\x00\"\x00:\x00\"\x00a\x00\"\x00}\x00"},
		"the same beside a form":        {"form:user", "/", json, "", "{\x00\"\x00u\x00s\x00e\x00r\x00\"\x00:\x00\"\x00a\x00\"\x00}\x00"},
		// Gson and Json.NET read these as they were meant.
		"in other quotes":                  {"json:user", "/", json, "", `{'user':'alice'}`},
		"without quotes":                   {"json:user", "/", json, "", `{user:"alice"}`},
		"behind a comment":                 {"json:user", "/", json, "", `/* */{"user":"alice"}`},
		"behind Gson's shield":             {"json:user", "/", json, "", ")]}'\n" + `{"user":"alice"}`},
		"in other quotes, said to be text": {"json:user", "/", "text/plain", "", `{'user':'alice'}`},
		"in other quotes, around a form":   {"json:user", "/", form, "", `{'user':'alice'/*&user=decoy&*/}`},
		"broken":                           {"json:user", "/", json, "", `{"user`},
		"cut off behind the name":          {"json:user", "/", json, "", `{"user":"a","p":"xx`},
		// A database that compares texts with numbers finds the account.
		"a number that is not whole": {"json:user", "/", json, "", `{"user":7.0}`},
		"a number in powers":         {"json:user", "/", json, "", `{"user":7e2}`},
		"a list":                     {"json:user", "/", json, "", `{"user":["alice"]}`},
		"an object":                  {"json:user", "/", json, "", `{"user":{"$ne":""}}`},
		"true":                       {"json:user", "/", json, "", `{"user":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := attempt(tt.target, tt.contentType)
			if tt.encoding != "" {
				r.Header.Set("Content-Encoding", tt.encoding)
			}
			got, err := signIn(t, route.SignInSpec{Account: tt.account}).Account(r, []byte(tt.body))
			if got != "" || !errors.Is(err, route.ErrAccount) {
				t.Errorf("Account(%q) = %q, %v, want it refused", tt.body, got, err)
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
