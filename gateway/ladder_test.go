package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// told is what a client makes of an answer.
type told struct {
	Status int
	Code   string // Of the problem; empty where the upstream has answered.
}

// hear sends a request and returns what its client makes of the answer.
func hear(t *testing.T, r *http.Request) (told, http.Header) {
	t.Helper()
	res, err := client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var p struct {
		Code string `json:"code"`
	}
	if res.Header.Get("Content-Type") == "application/problem+json" {
		err = json.NewDecoder(res.Body).Decode(&p)
		if err != nil {
			t.Fatal(err)
		}
	}
	return told{res.StatusCode, p.Code}, res.Header
}

// A session goes up the whole ladder and is let down again: each step does what it is
// called by, at once, and to nobody else.
func TestEveryStepOfTheLadder(t *testing.T) {
	g := newRig(t, app)
	g.config.Admit.ThrottlePerMinute, g.config.Admit.ThrottleBurst = 1, 2
	g.start(t, true)
	get := func() (told, http.Header) { return hear(t, g.request(t, "GET", "/pages/7", g.token("ann"), nil)) }
	post := func() (told, http.Header) {
		return hear(t, g.request(t, "POST", "/write", g.token("ann"), strings.NewReader("x")))
	}
	ok := told{Status: http.StatusOK}
	for _, step := range []struct {
		action    string
		get, post told
		header    string // That the refused request is answered with,
		says      string // and what it says.
	}{
		{verdict.ActionThrottle, told{429, "throttled"}, told{429, "throttled"}, "Retry-After", ""},
		{verdict.ActionReadOnly, ok, told{403, "read_only"}, "", ""},
		{verdict.ActionStepUp, told{401, "step_up_required"}, told{401, "step_up_required"}, "Www-Authenticate", "insufficient_user_authentication"},
		{verdict.ActionRevoke, told{401, "session_revoked"}, told{401, "session_revoked"}, "Www-Authenticate", "invalid_token"},
		{verdict.ActionBlock, told{403, "blocked"}, told{403, "blocked"}, "Retry-After", ""},
		{verdict.ActionObserve, ok, ok, "", ""},
	} {
		g.revoke(t, step.action, verdict.TargetSession, g.session("ann"))
		if step.action == verdict.ActionThrottle {
			for range 2 { // As many as it may have at once.
				if got, _ := get(); got != ok {
					t.Errorf("throttled, in its allowance: %+v", got)
				}
			}
		}
		read, _ := get()
		written, header := post()
		if diff := cmp.Diff([]told{step.get, step.post}, []told{read, written}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.action, diff)
		}
		if said := header.Get(step.header); step.header != "" && (said == "" || !strings.Contains(said, step.says)) {
			t.Errorf("%s is told with %s: %q, want %q in it", step.action, step.header, said, step.says)
		}
		if got, _ := hear(t, g.request(t, "POST", "/write", g.token("bob"), strings.NewReader("x"))); got != ok {
			t.Errorf("%s of another: %+v", step.action, got)
		}
	}
}

// Of several credentials none is chosen, whichever they are and however good.
func TestSeveralCredentialsAreNeverChosenFrom(t *testing.T) {
	g := newRig(t, app)
	key := g.apiKey(t, identity.APIKey{ID: "vk_robot", Subject: "robot", Scopes: []string{"read"}, Expires: time.Now().Add(time.Hour)})
	g.start(t, true)
	token := "Bearer " + g.token("ann")
	several, inURL, ok := told{401, "multiple_credentials"}, told{400, "token_in_url"}, told{Status: 200}
	for name, tt := range map[string]struct {
		query string
		h     http.Header
		want  told
	}{
		"a token":                      {"", http.Header{"Authorization": {token}}, ok},
		"a key":                        {"", http.Header{"X-Api-Key": {key}}, ok},
		"a token and a key":            {"", http.Header{"Authorization": {token}, "X-Api-Key": {key}}, several},
		"a key and a password":         {"", http.Header{"Authorization": {"Basic YTpi"}, "X-Api-Key": {key}}, several},
		"two tokens":                   {"", http.Header{"Authorization": {token, "Bearer " + g.token("bob")}}, several},
		"the same token twice":         {"", http.Header{"Authorization": {token, token}}, several},
		"two keys":                     {"", http.Header{"X-Api-Key": {key, key}}, several},
		"a token beside a password":    {"", http.Header{"Authorization": {"Basic YTpi", token}}, several},
		"a token and one in the query": {"?access_token=x", http.Header{"Authorization": {token}}, inURL},
		"one in the query, escaped":    {"?a=1;acc%65ss_token=x", http.Header{"Authorization": {token}}, inURL},
		"a key and one in the query":   {"?Access_Token=x", http.Header{"X-Api-Key": {key}}, inURL},
		"one in the query alone":       {"?access_token=x", nil, inURL},
		"nearly one in the query":      {"?access_tokens=x&token=y", http.Header{"Authorization": {token}}, ok},
		"a good and a bad one":         {"", http.Header{"Authorization": {token}, "X-Api-Key": {"x"}}, several},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.request(t, "GET", "/pages/7"+tt.query, "", nil)
			r.Header = tt.h
			if got, _ := hear(t, r); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}
