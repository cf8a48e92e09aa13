package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// stepped is the time on a machine whose wall clock was set forward or back by whole
// seconds: what was measured since it runs is as before. A [time.Time] holds both, and
// only its layout lets one be changed without the other.
func stepped(t *testing.T, by time.Duration) time.Time {
	t.Helper()
	now := time.Now()
	out := now
	parts := (*struct {
		wall uint64 // A flag, 33 bits of seconds, 30 bits of nanoseconds.
		ext  int64  // The monotonic clock.
		loc  *time.Location
	})(unsafe.Pointer(&out))
	parts.wall += uint64(int64(by/time.Second)) << 30
	if out.Sub(now) != 0 || out.UnixNano()-now.UnixNano() != int64(by) {
		t.Errorf("time.Time has another layout: %v becomes %v", now, out)
	}
	return out
}

// The clock of a gateway that runs is set forward and back by minutes, and once more
// before its next life, while everybody else's is right. Who was ended stays so, a new
// verdict ends whom it is about, nobody else notices, and of each request there is one
// event, in lanes without a hole.
func TestAClockThatStepsUnderARunningGateway(t *testing.T) {
	g := newRig(t, app)
	var off atomic.Int64
	g.clock = func() time.Time { return stepped(t, time.Duration(off.Load())) }
	token := func(user string) string {
		return g.provider.Mint(idp.Claims{
			Subject: user, SessionID: "sid-" + user, Scope: "read", ClientID: "app",
			IssuedAt: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour),
		})
	}
	analyzer, sent := newScribe(t, g), 0
	ask := func(user string) (int, string) {
		t.Helper()
		sent++
		res, body := do(t, g.request(t, http.MethodGet, "/pages/7", token(user), nil))
		return res.StatusCode, body
	}
	var ended []string
	round := func(step time.Duration) {
		t.Helper()
		thief := fmt.Sprint("thief-", len(ended))
		res, err := client(t).Do(g.request(t, http.MethodGet, "/events", token(thief), nil))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		open := bufio.NewReader(res.Body)
		_, err = open.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		off.Store(int64(step))
		err = analyzer.judged(t.Context(), verdict.ActionRevoke, &event.RequestEvent{Id: thief, Time: timestamppb.Now(), Session: g.session(thief)})
		if err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(open)
		if err != nil || !strings.Contains(string(rest), "event: vigil.revoked") {
			t.Errorf("%v off: the thief's stream ends with %q, %v", step, rest, err)
		}
		ended = append(ended, thief)
		for _, user := range ended {
			if status, body := ask(user); status != http.StatusUnauthorized || problemOf(t, body)["code"] != "session_revoked" {
				t.Errorf("%v off: %s gets %d %s", step, user, status, body)
			}
		}
		if status, body := ask("owner"); status != http.StatusOK {
			t.Errorf("%v off: the owner gets %d %s", step, status, body)
		}
	}
	g.start(t, true)
	for _, step := range []time.Duration{5 * time.Minute, -5 * time.Minute, 0, 30 * time.Minute, -30 * time.Minute} {
		round(step)
	}
	// An operator's word from a time to come cuts, whosever clock is wrong, and he is told.
	say := func(action string) (reply, string) {
		t.Helper()
		record, err := g.operator.Verdict(&verdict.Verdict{
			Id: "operator-" + action, Time: timestamppb.Now(), Epoch: uint64(time.Now().Unix()), Seq: uint64(time.Now().Nanosecond()) + 1,
			Authority: verdict.AuthorityOperator, Tenant: "default", Target: &verdict.Target{Kind: verdict.TargetSession, Id: g.session("owner")},
			Action: action, Until: timestamppb.New(time.Now().Add(time.Hour)),
		})
		if err != nil {
			t.Fatal(err)
		}
		return g.admin(t, http.MethodPost, "/v1/verdicts", record)
	}
	res, answer := say(verdict.ActionRevoke)
	if res.StatusCode != http.StatusAccepted || !strings.Contains(answer, "dated ahead of this gateway's clock") {
		t.Errorf("an operator half an hour ahead of the gateway gets %d %s", res.StatusCode, answer)
	}
	if status, body := ask("owner"); status != http.StatusUnauthorized {
		t.Errorf("who was cut by an operator ahead of the gateway's clock gets %d %s", status, body)
	}
	// What he says by a right clock stands above it.
	off.Store(0)
	res, answer = say(verdict.ActionObserve)
	if res.StatusCode != http.StatusOK {
		t.Errorf("restored with right clocks: %d %s", res.StatusCode, answer)
	}
	err := g.stop()
	if err != nil {
		t.Fatal(err)
	}
	off.Store(int64(-40 * time.Minute)) // The next life's epoch is a time before that of the last one.
	g.start(t, true)
	round(5 * time.Minute)
	err = g.stop()
	if err != nil {
		t.Fatal(err)
	}
	g.checkLanes(t, sent)
}

// checkLanes checks that of so many requests for pages each has its one event, and that
// no lane of any life has a hole.
func (g *rig) checkLanes(t *testing.T, pages int) {
	t.Helper()
	if got := len(g.events(t)["page"]); got != pages {
		t.Errorf("%d requests have %d events", pages, got)
	}
	var at event.Positions
	epochs := make(map[uint64]bool)
	for _, value := range g.records(t, topic.Requests) {
		e := new(event.RequestEvent)
		err := event.Decode(value, e)
		if err != nil {
			t.Fatal(err)
		}
		epochs[e.GetEpoch()] = true
		duplicate, gap := at.Observe(event.Lane{Gateway: e.GetGateway(), Epoch: e.GetEpoch(), Lane: e.GetLane()}, e.GetSeq(), max(e.GetSeq(), e.GetSeqEnd()))
		if duplicate || gap > 0 {
			t.Errorf("epoch %d, lane %d: number %d is a duplicate (%v), or %d before it are missing", e.GetEpoch(), e.GetLane(), e.GetSeq(), duplicate, gap)
		}
	}
	if len(epochs) != 2 {
		t.Errorf("%d epochs of two lives", len(epochs))
	}
}
