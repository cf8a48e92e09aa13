package scorer_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/scenario"
)

// Bounds of what an active subject with one session takes. A million of those
// who do few things fit into 5 GiB with the order of their events followed.
const (
	subjectBytesMax = 4600
	// busyBytesMax is for who does forty things in any order, all day.
	busyBytesMax = 7424
	// tenantBytesMax is what a tenant takes by itself, detectors before all; with
	// few subjects it shows.
	tenantBytesMax = 1 << 20
	// orderedBytesLeast is what following the order takes at least, or it was not
	// followed.
	orderedBytesLeast = 400
)

// TestMemoryOfASubject fills an engine with subjects that have taught their
// habits and are active in one session, and divides what the heap has grown.
func TestMemoryOfASubject(t *testing.T) {
	subjects, most := 20_000, float64(subjectBytesMax)
	if testing.Short() || raceEnabled {
		subjects = 1_000
		most += tenantBytesMax / float64(subjects)
	}
	plain := memoryOfASubject(t, subjects, entity.SequenceFrom/4, 1)
	ordered := memoryOfASubject(t, subjects, entity.SequenceFrom/4+2, 1)
	t.Logf("%.0f B more once its order is followed", ordered-plain)
	if ordered > most {
		t.Errorf("a subject with a session takes %.0f B, want at most %.0f", ordered, most)
	}
	if ordered-plain < orderedBytesLeast {
		t.Errorf("the order of a subject's events takes %.0f B, want at least %d: is it followed?", ordered-plain, orderedBytesLeast)
	}
	if testing.Short() || raceEnabled {
		return
	}
	busy := memoryOfASubject(t, subjects/5, entity.SequenceFrom, 8)
	if busy > busyBytesMax {
		t.Errorf("a busy subject with a session takes %.0f B, want at most %d", busy, busyBytesMax)
	}
}

// memoryOfASubject is what each of some subjects takes after four visits of some
// requests, among so many times five pages.
func memoryOfASubject(t *testing.T, subjects, requests, pages int) float64 {
	t.Helper()
	e := newEngine(t, true)
	before := heap()
	var offset int64
	ev := &event.RequestEvent{Time: new(timestamppb.Timestamp)}
	for visit := range 4 {
		for i := range subjects {
			for n := range requests {
				lifeOf(ev, i, visit, n)
				if area := (n*n*(visit+3) + n/3) % pages; area > 0 {
					ev.Template = fmt.Sprint("/area-", area, ev.GetTemplate())
				}
				*ev.Time = timestamppb.Timestamp{Seconds: start.Add(time.Duration(visit)*3*time.Hour + time.Duration(n)*20*time.Second).Unix()}
				offset++
				e.Assess(scorer.Record{Event: ev, Topic: "t", Offset: offset})
			}
		}
	}
	each := float64(heap()-before) / float64(subjects)
	got := e.Stats()
	if got.Subjects != subjects || got.Sessions != subjects {
		t.Fatalf("holds %+v, want %d subjects and as many sessions", got, subjects)
	}
	t.Logf("%.0f B for each of %d subjects with a session of %d requests among %d pages", each, subjects, 4*requests, 5*pages)
	runtime.KeepAlive(e)
	return each
}

// lifeOf writes the n-th request of a subject's visit: two networks, two
// clients, five pages, ids, sizes.
func lifeOf(ev *event.RequestEvent, i, visit, n int) {
	at := ev.Time
	ev.Reset()
	ev.Time = at
	ev.Kind, ev.Phase, ev.Tenant, ev.SubjectKind = event.KindRequest, event.PhaseComplete, "default", event.SubjectHuman
	ev.Subject, ev.Session, ev.TokenId = fmt.Sprint("subject-", i), fmt.Sprint("session-", i), fmt.Sprint("token-", i, visit)
	ev.Address, ev.Asn, ev.Country = fmt.Sprintf("10.%d.%d.%d", i>>8&255, i&255, visit%2), uint32(3320+visit%2), "DE"
	lat, lon := 52.5, 13.4
	ev.Latitude, ev.Longitude, ev.AccuracyRadiusKm = &lat, &lon, 50
	ev.UserAgent, ev.Ja4 = scenario.Agent("chrome"), "t13d1516h2_8daaf6152771_02713d6af862"
	if visit%2 == 1 {
		ev.UserAgent, ev.Ja4 = scenario.Agent("iphone"), "t13d2014h2_a09f3c656075_14788d8d241b"
	}
	ev.Method, ev.Status = "GET", 200
	ev.Template = []string{"/accounts/{id}", "/orders/{id}", "/", "/profile", "/reports"}[n%5]
	ev.Path = ev.Template
	if n%5 < 2 {
		ev.Resource = fmt.Sprint(1000 + (i*7+n*13)%997)
	}
	ev.BytesOut = uint64(500 << (n%8 + visit))
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
