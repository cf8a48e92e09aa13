package admit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/gateway/admit"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func standing(action string) session.Standing {
	return session.Standing{Action: action, Verdict: &verdict.Verdict{
		Id: "v", Action: action, Time: timestamppb.New(t0.Add(-time.Minute)), Until: timestamppb.New(t0.Add(time.Hour)),
	}}
}

// Every way to be let in or not.
func TestDecide(t *testing.T) {
	type want struct {
		Decision, Reason string
		Throttle         bool
	}
	permit := want{Decision: event.DecisionPermit}
	ann := &identity.Identity{Scopes: []string{"a", "b"}, ACR: "silver", AMR: []string{"pwd", "otp"}, AuthTime: t0.Add(-10 * time.Minute)}
	tests := map[string]struct {
		c    admit.Case
		want want
	}{
		"public, anonymous":                {c: admit.Case{Route: &route.Route{Public: true}}, want: permit},
		"anonymous":                        {c: admit.Case{}, want: want{"deny", "token_missing", false}},
		"with a token":                     {c: admit.Case{Identity: ann}, want: permit},
		"with the scopes":                  {c: admit.Case{Identity: ann, Route: &route.Route{Scopes: []string{"b", "a"}}}, want: permit},
		"with one of two scopes":           {c: admit.Case{Identity: ann, Route: &route.Route{Scopes: []string{"b", "c"}}}, want: want{"deny", "insufficient_scope", false}},
		"bound as the route asks":          {c: admit.Case{Identity: &identity.Identity{Binding: "dpop"}, Route: &route.Route{Binding: []string{"mtls", "dpop"}}}, want: permit},
		"bound in another way":             {c: admit.Case{Identity: &identity.Identity{Binding: "mtls"}, Route: &route.Route{Binding: []string{"dpop"}}}, want: want{"deny", "binding_required", false}},
		"bound to nothing":                 {c: admit.Case{Identity: &identity.Identity{Binding: "none"}, Route: &route.Route{Binding: []string{"dpop"}}}, want: want{"deny", "binding_required", false}},
		"with a good context":              {c: admit.Case{Identity: ann, Route: &route.Route{ACR: []string{"gold", "silver"}}}, want: permit},
		"with a weak context":              {c: admit.Case{Identity: ann, Route: &route.Route{ACR: []string{"gold"}}}, want: want{"step_up", "step_up_required", false}},
		"with the methods":                 {c: admit.Case{Identity: ann, Route: &route.Route{AMR: []string{"otp", "pwd"}}}, want: permit},
		"with one of two methods":          {c: admit.Case{Identity: ann, Route: &route.Route{AMR: []string{"pwd", "hwk"}}}, want: want{"step_up", "step_up_required", false}},
		"signed in recently enough":        {c: admit.Case{Identity: ann, Route: &route.Route{MaxAge: 10 * time.Minute}}, want: permit},
		"signed in too long ago":           {c: admit.Case{Identity: ann, Route: &route.Route{MaxAge: 9 * time.Minute}}, want: want{"step_up", "step_up_required", false}},
		"came back just now, asked or not": {c: admit.Case{Identity: &identity.Identity{AuthTime: t0, Assumed: true}, Route: &route.Route{MaxAge: time.Hour}}, want: want{"step_up", "step_up_required", false}},
		"came back, and no age is asked":   {c: admit.Case{Identity: &identity.Identity{AuthTime: t0, Assumed: true}, Route: &route.Route{}}, want: permit},
		"never said when":                  {c: admit.Case{Identity: &identity.Identity{}, Route: &route.Route{MaxAge: time.Hour}}, want: want{"step_up", "step_up_required", false}},
		"observed":                         {c: admit.Case{Identity: ann, Standing: standing("observe")}, want: permit},
		"throttled":                        {c: admit.Case{Identity: ann, Standing: standing("throttle")}, want: want{"permit", "", true}},
		"read-only, reading":               {c: admit.Case{Identity: ann, Standing: standing("read_only")}, want: permit},
		"read-only, writing":               {c: admit.Case{Identity: ann, Standing: standing("read_only"), Method: "DELETE"}, want: want{"deny", "read_only", false}},
		"read-only, unknown method":        {c: admit.Case{Identity: ann, Standing: standing("read_only"), Method: "PROPFIND"}, want: want{"deny", "read_only", false}},
		"must step up":                     {c: admit.Case{Identity: ann, Standing: standing("step_up")}, want: want{"step_up", "step_up_required", false}},
		"has stepped up":                   {c: admit.Case{Identity: &identity.Identity{AuthTime: t0}, Standing: standing("step_up")}, want: permit},
		"came back, asked or not":          {c: admit.Case{Identity: &identity.Identity{AuthTime: t0, Assumed: true}, Standing: standing("step_up")}, want: want{"step_up", "step_up_required", false}},
		"cannot step up: public, read":     {c: admit.Case{Route: &route.Route{Public: true}, Standing: standing("step_up")}, want: permit},
		"cannot step up: public":           {c: admit.Case{Route: &route.Route{Public: true}, Standing: standing("step_up"), Method: "POST"}, want: want{"deny", "read_only", false}},
		"revoked":                          {c: admit.Case{Identity: ann, Standing: standing("revoke")}, want: want{"deny", "session_revoked", false}},
		"blocked":                          {c: admit.Case{Identity: ann, Standing: standing("block")}, want: want{"deny", "blocked", false}},
		"blocked, public, anonymous":       {c: admit.Case{Route: &route.Route{Public: true}, Standing: standing("block")}, want: want{"deny", "blocked", false}},
		"starting":                         {c: admit.Case{Identity: ann, Feed: admit.FeedStarting}, want: want{"deny", "not_ready", false}},
		"starting, public":                 {c: admit.Case{Route: &route.Route{Public: true}, Feed: admit.FeedStarting}, want: permit},
		"starting, blocked":                {c: admit.Case{Identity: ann, Standing: standing("block"), Feed: admit.FeedStarting}, want: want{"deny", "blocked", false}},
		"unknown, posture allow":           {c: admit.Case{Identity: ann, Feed: admit.FeedUnknown, Route: &route.Route{Posture: "allow"}}, want: permit},
		"unknown, posture deny":            {c: admit.Case{Identity: ann, Feed: admit.FeedUnknown, Route: &route.Route{Posture: "deny"}}, want: want{"deny", "standing_unknown", false}},
		"unknown, posture step-up":         {c: admit.Case{Identity: ann, Feed: admit.FeedUnknown, Route: &route.Route{Posture: "step_up"}}, want: want{"step_up", "step_up_required", false}},
		"unknown, posture step-up, fresh": {c: admit.Case{
			Identity: &identity.Identity{AuthTime: t0.Add(-time.Minute)}, Feed: admit.FeedUnknown, Route: &route.Route{Posture: "step_up"},
		}, want: permit},
		"unknown, posture step-up, came back, asked or not": {c: admit.Case{
			Identity: &identity.Identity{AuthTime: t0.Add(-time.Minute), Assumed: true}, Feed: admit.FeedUnknown, Route: &route.Route{Posture: "step_up"},
		}, want: want{"step_up", "step_up_required", false}},
		"unknown, posture step-up, anonymous": {c: admit.Case{Feed: admit.FeedUnknown, Route: &route.Route{Posture: "step_up"}}, want: want{"deny", "token_missing", false}},
		"known, posture deny":                 {c: admit.Case{Identity: ann, Route: &route.Route{Posture: "deny"}}, want: permit},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.c.Route == nil {
				tt.c.Route = &route.Route{}
			}
			if tt.c.Method == "" {
				tt.c.Method = "GET"
			}
			tt.c.Now, tt.c.FreshMax = t0, 5*time.Minute
			d := admit.Decide(tt.c)
			if diff := cmp.Diff(tt.want, want{d.Decision, d.Problem.Code, d.Throttle}); diff != "" {
				t.Errorf("Decide (-want +got):\n%s", diff)
			}
			if d.Decision != event.DecisionPermit && d.Problem.Status < 400 {
				t.Errorf("a refusal has status %d", d.Problem.Status)
			}
		})
	}
}

// What a posture says of a request that comes holds for a stream that is open.
func TestSuspends(t *testing.T) {
	for name, tt := range map[string]struct {
		r    route.Route
		who  session.Who
		want bool
	}{
		"allow":                            {route.Route{Posture: route.PostureAllow}, session.Who{}, false},
		"deny":                             {route.Route{Posture: route.PostureDeny}, session.Who{AuthTime: t0}, true},
		"step-up, fresh":                   {route.Route{Posture: route.PostureStepUp}, session.Who{AuthTime: t0}, false},
		"step-up, long ago":                {route.Route{Posture: route.PostureStepUp}, session.Who{AuthTime: t0.Add(-time.Hour)}, true},
		"step-up, came back, asked or not": {route.Route{Posture: route.PostureStepUp}, session.Who{AuthTime: t0, Assumed: true}, true},
		"step-up, nobody knows":            {route.Route{Posture: route.PostureStepUp}, session.Who{}, true},
		"step-up, public":                  {route.Route{Posture: route.PostureStepUp, Public: true}, session.Who{}, false},
	} {
		if got := admit.Suspends(&tt.r, &tt.who, 5*time.Minute, t0); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}

// A throttled target gets its burst, then its rate, and others are untouched.
func TestLimiter(t *testing.T) {
	l, err := admit.NewLimiter(admit.Config{ThrottlePerMinute: 60, ThrottleBurst: 3, NewcomerBurst: 1, FreshMax: 1, ColdStartMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	of := func(id string) admit.Decision { // Each time by a verdict of its own.
		said++
		return throttled(fmt.Sprint(said), verdict.TargetSession, id)
	}
	var got []string
	for _, at := range []time.Duration{0, 0, 0, 0, 500, 1000, 1000, 60_000, 60_000, 60_000, 60_000} {
		got = append(got, l.Apply(of("v"), t0.Add(at*time.Millisecond)).Decision)
	}
	p, d := "permit", "deny"
	if diff := cmp.Diff([]string{p, p, p, d, d, p, d, p, p, p, d}, got); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
	refused := l.Apply(of("v"), t0.Add(time.Minute))
	if refused.Problem.Status != 429 || refused.Problem.RetryAfter != time.Second {
		t.Errorf("refused with status %d, retry after %s", refused.Problem.Status, refused.Problem.RetryAfter)
	}
	if l.Apply(of("w"), t0.Add(time.Minute)).Decision != p {
		t.Error("another session shares the bucket")
	}
	if l.Apply(throttled("x", verdict.TargetSubject, "v"), t0.Add(time.Minute)).Decision != p {
		t.Error("a subject of the session's name shares the bucket")
	}
}

func throttled(verdictID, kind, id string) admit.Decision {
	return admit.Decision{
		Decision: event.DecisionPermit, Throttle: true,
		Verdict: &verdict.Verdict{Id: verdictID, Tenant: "default", Target: &verdict.Target{Kind: kind, Id: id}},
	}
}

// A flood of verdicts is refused where there is no room for its buckets, and
// room comes back.
func TestLimiterIsBounded(t *testing.T) {
	l, err := admit.NewLimiter(admit.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	take := func(i int, at time.Time) string {
		return l.Apply(throttled("v", verdict.TargetAddress, fmt.Sprint(i)), at).Decision
	}
	for i := range 32 << 10 {
		take(i, t0)
	}
	if got := take(-1, t0); got != "deny" {
		t.Errorf("beyond the limit: %s, want deny", got)
	}
	if got := take(-1, t0.Add(time.Hour)); got != "permit" {
		t.Errorf("with the buckets full again: %s, want permit", got)
	}
}

// All faults come at once.
func TestConfigNamesEveryFault(t *testing.T) {
	err := admit.Config{}.Validate()
	want := "throttle_per_minute: must be at least 1, is 0\nthrottle_burst: must be at least 1, is 0\n" +
		"newcomer_burst: must be at least 1, is 0\nfresh_max: must be positive, is 0s\ncold_start_max: must be positive, is 0s"
	if err == nil || err.Error() != want {
		t.Errorf("Validate() = %v", err)
	}
}
