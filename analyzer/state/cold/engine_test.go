package cold_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/state/cold"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// visitor draws an event of one of many, some of whom are not who they say.
func visitor(rng *rand.Rand, at time.Time) *event.RequestEvent {
	who := rng.IntN(400)
	ev := &event.RequestEvent{
		Kind: event.KindRequest, Phase: event.PhaseComplete, Time: timestamppb.New(at), Tenant: "default",
		Subject: fmt.Sprint("subject-", who), Session: fmt.Sprint("session-", who, "-", rng.IntN(2)), SubjectKind: event.SubjectHuman,
		Address: fmt.Sprintf("192.0.2.%d", who%200), Asn: uint32(64500 + who%3), Country: "DE",
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", Method: "GET", Path: "/accounts/1", Template: "/accounts/{id}",
		Resource: fmt.Sprint(rng.IntN(9)), Status: 200, BytesOut: uint64(1000 + rng.IntN(500)),
	}
	switch rng.IntN(12) {
	case 0:
		ev.Country, ev.Address, ev.UserAgent, ev.BytesOut = "AU", "198.51.100.7", "curl/8.0", 5<<20
	case 1:
		ev.Subject, ev.Session, ev.Path, ev.Template, ev.Status = "", "", "/wp-login.php", "", 404
	}
	return ev
}

func engine(t *testing.T, room int, s *cold.Shelf) *scorer.Engine {
	t.Helper()
	m := *model.Default()
	m.Limits.SessionsMax, m.Limits.SubjectsMax, m.Limits.AddressesMax = room, room, room
	m.Learning.Quarantine = time.Minute
	e, err := scorer.New(scorer.Options{Model: &m, OfflineClock: true})
	if err != nil {
		t.Fatal(err)
	}
	if s != nil {
		e.Shelve(s)
	}
	return e
}

// An engine with little room that is killed again and again, and goes on from its
// last snapshot and what the shelf was then, says what an engine says that has room
// for all and never stopped.
func TestEvictionAndCrashesChangeNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	const records, narrow, wide = 8000, 64, 1 << 16
	at := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	events, want := make([]*event.RequestEvent, records), make([][]byte, records)
	assess := func(e *scorer.Engine, i int) []byte {
		a := e.Assess(scorer.Record{Event: events[i], Topic: "vigil.requests", Partition: 1, Offset: int64(i)}).Assessment
		b, err := a.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ample := engine(t, wide, nil)
	for i := range events {
		at = at.Add(time.Duration(rng.IntN(20_000)) * time.Millisecond)
		events[i] = visitor(rng, at)
		want[i] = assess(ample, i)
	}
	dir := t.TempDir()
	const bound = 32 << 20
	shelf := openOf(t, dir, bound, "")
	few := engine(t, narrow, shelf)
	type saved struct {
		next int
		mark string
		body []byte
	}
	last, lives := saved{}, 1
	for i := 0; i < records; i++ {
		if got := assess(few, i); !bytes.Equal(got, want[i]) {
			t.Fatalf("life %d: record %d is assessed in another way", lives, i)
		}
		switch rng.IntN(400) {
		case 0, 1:
			var b bytes.Buffer
			err := few.Snapshot(&b)
			if err != nil {
				t.Fatal(err)
			}
			last = saved{i + 1, marked(t, shelf), b.Bytes()}
		case 2: // Killed: what the shelf did since the mark is on the disk, or not.
			lives++
			if rng.IntN(2) == 0 {
				shelf.Close()
			}
			shelf = openOf(t, dir, bound, last.mark)
			few = engine(t, narrow, shelf)
			if last.body != nil {
				err := few.Restore(bytes.NewReader(last.body), nil)
				if err != nil {
					t.Fatal(err)
				}
			}
			i = last.next - 1
		}
	}
	s := few.Stats()
	t.Logf("%d lives, %d entities on the shelf, %+v", lives, shelf.Entities(), shelf.Counts())
	if s.Subjects > narrow || shelf.Entities() < narrow {
		t.Errorf("too little has happened: %+v", s)
	}
}
