package scorer_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
)

// TestWhatGoesBackwardsStaysFinite lets everything that should only grow go
// back and forth, at random but from a seed: the score stays a number, the
// stream clock stands rather than runs back, and the state can be restored.
func TestWhatGoesBackwardsStaysFinite(t *testing.T) {
	const year = 365 * 24 * time.Hour
	tests := map[string]func(ev *event.RequestEvent, i int, r *rand.Rand){
		"an event's own time, by years": func(ev *event.RequestEvent, _ int, r *rand.Rand) {
			ev.Time = at(time.Duration(r.Int64N(int64(20*year))) - 10*year)
		},
		"an event's own time, by hours": func(ev *event.RequestEvent, i int, r *rand.Rand) {
			ev.Time = at(time.Duration(i)*time.Second - time.Duration(r.IntN(3))*time.Hour)
		},
		"the clock of the only gateway": func(ev *event.RequestEvent, i int, r *rand.Rand) {
			if i%3 == 0 {
				*ev = event.RequestEvent{Kind: event.KindTick, Gateway: "g1"}
			}
			ev.Time = at(time.Duration(r.Int64N(int64(48*time.Hour))) - 24*time.Hour)
		},
		"the bytes of an open stream": func(ev *event.RequestEvent, _ int, r *rand.Rand) {
			ev.Phase, ev.RequestId, ev.BytesOut = event.PhaseTick, fmt.Sprint("stream-", r.IntN(100)), r.Uint64()
		},
		"streams that close before they open": func(ev *event.RequestEvent, _ int, r *rand.Rand) {
			ev.Phase = []string{event.PhaseClose, event.PhaseOpen, event.PhaseClose}[r.IntN(3)]
		},
		"the time of a sign-in": func(ev *event.RequestEvent, _ int, r *rand.Rand) {
			ev.AuthTime = at(time.Duration(r.Int64N(int64(2*year))) - year)
			ev.Kind, ev.AuthOutcome = event.KindSession, event.AuthSuccess
		},
		"coordinates that are none": func(ev *event.RequestEvent, i int, r *rand.Rand) {
			odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e308, -90, 90, 0}
			ev.Latitude, ev.Longitude = &odd[r.IntN(len(odd))], &odd[r.IntN(len(odd))]
			ev.AccuracyRadiusKm, ev.WafScore = odd[r.IntN(len(odd))], odd[r.IntN(len(odd))]
			ev.Asn, ev.Country = uint32(i%3), []string{"DE", "BR"}[i%2]
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			e, r := newEngine(t, false), rand.New(rand.NewPCG(7, 0))
			clock := int64(math.MinInt64)
			for i := range 3000 {
				ev := &event.RequestEvent{
					Kind: event.KindRequest, Phase: event.PhaseComplete, Time: at(time.Duration(i) * time.Second), Tenant: "default",
					Subject: fmt.Sprint("u", i%5), Session: fmt.Sprint("s", i%7), Address: fmt.Sprintf("192.0.2.%d", i%9), Country: "DE",
					UserAgent: "curl/8", Method: "GET", Path: fmt.Sprint("/things/", i), Resource: fmt.Sprint(i), Template: "/things/{id}", Status: 200, BytesOut: 100,
				}
				change(ev, i, r)
				res := e.Assess(scorer.Record{Event: ev, Topic: "t", Offset: int64(i)})
				if a := res.Assessment; a != nil {
					for _, x := range []float64{a.GetScore(), a.GetSessionScore()} {
						if math.IsNaN(x) || math.IsInf(x, 0) {
							t.Fatalf("event %d: score %g, session %g", i, a.GetScore(), a.GetSessionScore())
						}
					}
				}
				if now := e.Stats().Clock; now < clock {
					t.Fatalf("event %d: the stream clock ran back by %s", i, time.Duration(clock-now))
				} else {
					clock = now
				}
			}
			restorable(t, e)
		})
	}
}

// TestOneSubjectInTenThousandSessions keeps what it remembers of each bounded.
func TestOneSubjectInTenThousandSessions(t *testing.T) {
	e := newEngine(t, true)
	const sessions, requests = 10_000, 3
	ev := &event.RequestEvent{Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Subject: "many", Time: new(timestamppb.Timestamp), Country: "DE", Path: "/", Template: "/", Status: 200}
	before := heap()
	for i := range sessions * requests {
		*ev.Time = timestamppb.Timestamp{Seconds: start.Unix() + int64(i)}
		ev.Session, ev.Device, ev.Address = fmt.Sprint("s", i%sessions), fmt.Sprint("device-", i), fmt.Sprintf("10.%d.%d.1", i>>8&255, i&255)
		e.Assess(scorer.Record{Event: ev, Topic: "t", Offset: int64(i)})
	}
	each := (heap() - before) / sessions
	t.Logf("%d B for each of %d sessions of one subject", each, sessions)
	if each > subjectBytesMax {
		t.Errorf("a session takes %d B, want at most %d", each, subjectBytesMax)
	}
	if got := e.Stats(); got.Subjects != 1 || got.Sessions != sessions {
		t.Errorf("holds %+v, want one subject and %d sessions", got, sessions)
	}
	restorable(t, e)
}

func restorable(t *testing.T, e *scorer.Engine) {
	t.Helper()
	var first, second bytes.Buffer
	err := e.Snapshot(&first)
	if err != nil {
		t.Fatal(err)
	}
	again := newEngine(t, false)
	err = again.Restore(bytes.NewReader(first.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = again.Snapshot(&second)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the snapshot of what was restored differs")
	}
}
