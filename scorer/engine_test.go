package scorer_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// shipped is the model that ships, read once: nobody changes the one that is in force.
var shipped = model.Default()

// newEngine returns an engine on the model that ships.
func newEngine(tb testing.TB, offline bool) *scorer.Engine {
	tb.Helper()
	e, err := scorer.New(scorer.Options{Model: shipped, OfflineClock: offline})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func at(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(start.Add(d)) }

// BenchmarkAssess scores ordinary requests.
func BenchmarkAssess(b *testing.B) {
	e := newEngine(b, true)
	events := make([]*event.RequestEvent, 5000)
	for i := range events {
		events[i] = &event.RequestEvent{
			Kind: event.KindRequest, Id: fmt.Sprint(i), Phase: event.PhaseComplete, Tenant: "default",
			Subject: fmt.Sprint("u", i%50), Session: fmt.Sprint("s", i%50), Address: fmt.Sprintf("10.0.%d.1", i%50), Country: "DE", Asn: 3320,
			UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
			Method:    "GET", Path: fmt.Sprint("/accounts/", i%7), Template: "/accounts/{id}", Resource: fmt.Sprint(i % 7), Status: 200, BytesOut: 2000, SubjectKind: "human",
		}
	}
	b.ReportAllocs()
	for i := range b.N {
		ev := events[i%len(events)]
		ev.Time = at(time.Duration(i) * 20 * time.Millisecond)
		e.Assess(scorer.Record{Event: ev, Topic: "vigil.requests", Offset: int64(i)})
	}
}
