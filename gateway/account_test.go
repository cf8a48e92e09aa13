package gateway_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Whoever tries an account from a dozen networks brings a verdict about it down.
// It meets the tries, and nothing that its owner has open or does.
func TestAVerdictAboutAnAccountLeavesItsOwnersSessionsAlone(t *testing.T) {
	g := newRig(t, app)
	g.start(t, true)
	res, err := client(t).Do(g.request(t, "GET", "/events", g.token("ann"), nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	_, err = bufio.NewReader(res.Body).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	signIn := func(token string) (int, string) {
		r := g.request(t, "POST", "/login", token, strings.NewReader("user=ann&password=right"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, body := do(t, r)
		return res.StatusCode, body
	}
	for _, action := range []string{verdict.ActionThrottle, verdict.ActionStepUp, verdict.ActionBlock} {
		g.revoke(t, action, verdict.TargetAccount, g.names.Account("ann"))
		for _, tt := range []struct{ method, path string }{{"GET", "/pages/7"}, {"POST", "/write"}, {"GET", "/open"}} {
			res, body := do(t, g.request(t, tt.method, tt.path, g.token("ann"), strings.NewReader("x")))
			if res.StatusCode != 200 {
				t.Errorf("%s of the account: the owner's %s %s: %d %s", action, tt.method, tt.path, res.StatusCode, body)
			}
		}
		got, body := signIn("")
		if want := map[string]int{verdict.ActionThrottle: 200, verdict.ActionStepUp: 403, verdict.ActionBlock: 403}[action]; got != want {
			t.Errorf("%s of the account: signing in to it: %d %s, want %d", action, got, body, want)
		}
	}
	got, body := signIn(g.token("eve"))
	if got != 403 {
		t.Errorf("who has a session of his own tries the account: %d %s, want 403", got, body)
	}
	_, open := g.admin(t, "GET", "/v1/sessions", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+adminToken) })
	if !strings.Contains(open, `"total":1`) || !strings.Contains(open, `"stream":"sse"`) {
		t.Errorf("open are %s, want the owner's stream", open)
	}
}
