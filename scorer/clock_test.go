package scorer_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// TestAWrongClockComesFirst lets the gateway that comes first to a fresh partition
// stand in 2099: once two others agree, nothing is left of what it pinned, and a
// subject fades and is punished by their time.
func TestAWrongClockComesFirst(t *testing.T) {
	e, err := scorer.New(scorer.Options{Model: model.Default()})
	if err != nil {
		t.Fatal(err)
	}
	seq := map[string]uint64{}
	send := func(gateway string, ev *event.RequestEvent) scorer.Result {
		seq[gateway]++
		ev.Gateway, ev.Epoch, ev.Seq = gateway, 1, seq[gateway]
		return e.Assess(scorer.Record{Event: ev, Topic: "t"})
	}
	tick := func(gateway string, at time.Time) {
		send(gateway, &event.RequestEvent{Kind: event.KindTick, Time: timestamppb.New(at)})
	}
	attack := func(gateway string, at time.Time) scorer.Result {
		var res scorer.Result
		for _, path := range []string{"/.env", "/files/../../etc/passwd", "/wp-login.php", "/.git/config"} {
			res = send(gateway, &event.RequestEvent{
				Kind: event.KindRequest, Phase: event.PhaseComplete, Time: timestamppb.New(at), Tenant: "default",
				Subject: "mallory", Session: "s", Address: "192.0.2.1", Path: path, Status: 404,
			})
		}
		return res
	}
	wrong := start.AddDate(73, 0, 0)
	tick("wrong", wrong)
	attack("wrong", wrong)
	for i := range 3 {
		now := start.Add(time.Duration(i) * time.Second)
		tick("wrong", wrong.Add(time.Duration(i)*time.Second))
		tick("a", now)
		tick("b", now)
	}
	s := e.Stats()
	if now := time.Unix(0, s.Clock); now.After(start.Add(time.Minute)) || s.Sessions != 0 {
		t.Fatalf("the clock stands at %s with %d sessions", now, s.Sessions)
	}
	res := attack("a", start.Add(3*time.Second))
	before := res.Assessment.GetSessionScore()
	if before < 1 {
		t.Fatalf("session score = %f", before)
	}
	tick("a", start.Add(50*time.Minute))
	tick("b", start.Add(50*time.Minute))
	after := send("a", &event.RequestEvent{
		Kind: event.KindRequest, Phase: event.PhaseComplete, Time: timestamppb.New(start.Add(50 * time.Minute)), Tenant: "default",
		Subject: "mallory", Session: "s", Address: "192.0.2.1", Path: "/", Status: 200,
	}).Assessment
	if after.GetSessionScore() > before/1.5 {
		t.Errorf("suspicion fell from %f to %f in 50 minutes", before, after.GetSessionScore())
	}
	if until := after.GetStreamTime().AsTime(); until.After(start.Add(time.Hour)) {
		t.Errorf("stream time = %s", until)
	}
}

// TestLateEventsAreCounted sends events of all times: what is too far from the clock
// of the ticks is scored at the edge, and counted.
func TestLateEventsAreCounted(t *testing.T) {
	e, err := scorer.New(scorer.Options{Model: model.Default()})
	if err != nil {
		t.Fatal(err)
	}
	seq := uint64(0)
	send := func(kind string, at time.Time) scorer.Result {
		seq++
		return e.Assess(scorer.Record{Topic: "t", Offset: int64(seq), Event: &event.RequestEvent{
			Kind: kind, Phase: event.PhaseComplete, Time: timestamppb.New(at), Gateway: "a", Epoch: 1, Seq: seq,
			Tenant: "default", Subject: "ana", Session: "s", Address: "192.0.2.1", Path: "/", Status: 200,
		}})
	}
	for i := range 5 {
		send(event.KindTick, start.Add(time.Duration(i)*time.Second))
	}
	tests := map[time.Duration]uint64{0: 0, -entity.SkewMax / 2: 0, -3 * time.Hour: 1, -100000 * time.Hour: 1, 3 * time.Hour: 1, entity.SkewMax / 2: 0}
	for off, want := range tests {
		before, clock := e.Stats().Late, e.Stats().Clock
		if send(event.KindRequest, start.Add(off)).Assessment == nil {
			t.Errorf("an event %s off is not scored", off)
		}
		if got := e.Stats().Late - before; got != want || e.Stats().Clock != clock {
			t.Errorf("an event %s off: %d counted, want %d; the clock moved by %d ns", off, got, want, e.Stats().Clock-clock)
		}
	}
}
