package life

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAWindowIsTurnedAway lets a window of which the session has ended at second 10 ask
// on until its person has signed in again at second 20.
func TestAWindowIsTurnedAway(t *testing.T) {
	v := &visit{passes: []pass{{session: "dead", token: "old"}}, looks: []look{{client: "mobile-app"}}, next: 1}
	for _, r := range []record{
		{at: 1},                             // Has been sent.
		{at: 9},                             // Before the sign-out.
		{at: 11, phase: ticked, request: 1}, // Of a stream that is cut.
		{at: 12},
		{at: 13},
		{at: 14},
		{at: 15}, // Three of them he asks, and no more.
		{at: 16, phase: ticked, request: 1},
		{at: 17, anonymous: true}, // Has nothing to do with the session.
		{at: 21},
		{at: 22, phase: opened, request: 2},
		{at: 23, phase: closed, request: 2},
		{at: 24, phase: closed, request: 1},
	} {
		r.status = 200
		v.records = append(v.records, r)
	}
	v.turnAway(&device{seed: 1}, &login{session: "new", since: 20, number: 2}, func(r *record, v *visit) bool {
		return r.at > 10 && !r.anonymous && v.passes[r.pass].session == "dead"
	})
	type seen struct {
		At      int64
		Status  uint16
		Phase   uint8
		Session string
		Reason  string
	}
	var got []seen
	for _, r := range v.records {
		got = append(got, seen{r.at, r.status, r.phase, v.passes[r.pass].session, r.reason})
	}
	want := []seen{
		{1, 200, complete, "dead", ""},
		{9, 200, complete, "dead", ""},
		{11, 200, closed, "dead", "session_revoked"},
		{12, 401, complete, "dead", "session_revoked"},
		{13, 401, complete, "dead", "session_revoked"},
		{14, 401, complete, "dead", "session_revoked"},
		{17, 200, complete, "dead", ""},
		{21, 200, complete, "new", ""},
		{22, 200, opened, "new", ""},
		{23, 200, closed, "new", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the window sends (-want +got):\n%s", diff)
	}
	if v.passes[1].token == "old" || len(v.passes) != 2 {
		t.Errorf("passes %v, want one more with a token of its own", v.passes)
	}
}
