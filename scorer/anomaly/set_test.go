package anomaly_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zeebo/xxh3"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/anomaly"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/evidence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

var (
	start  = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC).UnixNano()
	params = anomaly.Params{On: true, Max: 4, HalfLife: 30 * time.Minute, Quarantine: time.Minute}
)

// stream makes requests of many sessions that are alike.
type stream struct {
	rng    *rand.Rand
	now    int64
	n      int
	tenant *entity.Tenant
}

func newStream() *stream {
	return &stream{rng: rand.New(rand.NewPCG(1, 2)), now: start, tenant: &entity.Tenant{Key: entity.Key{Tenant: "default"}}}
}

// next is an ordinary request: a large answer takes longer than a small one.
func (s *stream) next() *evidence.Context {
	s.n++
	s.now += int64(time.Second)
	who := fmt.Sprint("u", s.n%40)
	size := math.Exp(7 + s.rng.NormFloat64())
	x := &evidence.Context{
		Event: &event.RequestEvent{
			Kind: event.KindRequest, Phase: event.PhaseComplete, Tenant: "default", Subject: who, SubjectKind: event.SubjectHuman, Session: "s-" + who, Resource: "4711",
			BytesIn: uint64(200 + s.rng.IntN(50)), BytesOut: uint64(size), DurationUs: uint64(20*size) + uint64(s.rng.IntN(2000)),
			AuthTime: timestamppb.New(time.Unix(0, s.now-int64(time.Hour))),
		},
		Now: s.now, At: s.now, Before: s.now - int64(time.Second)*int64(2+s.rng.IntN(20)),
		Session: &entity.Session{
			Key: entity.Key{Tenant: "default", Kind: "session", ID: "s-" + who}, Start: s.now - int64(time.Hour), Requests: uint64(s.n),
			Hour: entity.Window{Requests: float64(10 + s.rng.IntN(20))}, Spread: entity.Spread{Weight: 5},
		},
		Subject: &entity.Subject{}, Tenant: s.tenant,
	}
	return x
}

func clean(entity.Key) bool { return true }

// see lets a set look at a request, whether it would have been drawn or not, and
// learn.
func see(s *anomaly.Set, x *evidence.Context, clean func(entity.Key) bool) (evidence.Finding, bool) {
	draw(x)
	f, found := s.Look(x, "")
	s.Learn(x, false, clean)
	y := *x // Another request, which is not looked at.
	y.Event = &event.RequestEvent{Kind: event.KindRequest, Tenant: x.Event.GetTenant(), SubjectKind: x.Event.GetSubjectKind(), Sensitivity: x.Event.GetSensitivity()}
	skip(&y)
	s.Look(&y, "")
	s.Learn(x, false, clean)
	return f, found
}

// skip gives a request a number with which it is not drawn.
func skip(x *evidence.Context) {
	session := *x.Session
	x.Session = &session
	for xxh3.HashStringSeed(session.Key.ID, session.Requests)%anomaly.Every == 0 {
		session.Requests++
	}
}

// draw gives a request a number with which it is drawn.
func draw(x *evidence.Context) {
	for xxh3.HashStringSeed(x.Session.Key.ID, x.Session.Requests)%anomaly.Every != 0 {
		x.Session.Requests++
	}
}

// taught is a set that has seen a number of ordinary requests.
func taught(n int) (*anomaly.Set, *stream) {
	set, s := anomaly.NewSet(4), newStream()
	set.Use(params)
	for range n {
		see(set, s.next(), clean)
	}
	return set, s
}

func TestSet(t *testing.T) {
	slow := func(x *evidence.Context) { x.Event.DurationUs = 14_000_000 }
	tests := map[string]struct {
		taught int
		clean  func(entity.Key) bool
		change func(*evidence.Context)
		want   []string // In the text; none where nothing may be found.
	}{
		"a slow answer is named with what is usual":        {6000, clean, slow, []string{"answering took 14.0 s, usually 2"}},
		"a large answer that came at once is strange":      {6000, clean, func(x *evidence.Context) { x.Event.BytesOut, x.Event.DurationUs = 9000, 900 }, []string{"answering took"}},
		"an upload is named":                               {6000, clean, func(x *evidence.Context) { x.Event.BytesIn = 50 << 20 }, []string{"bytes in 50 MiB, usually 2"}},
		"an ordinary request is not":                       {6000, clean, func(*evidence.Context) {}, nil},
		"who has seen little says nothing":                 {600, clean, slow, nil},
		"sessions that are not clean teach nothing":        {6000, func(entity.Key) bool { return false }, slow, nil},
		"a service is not compared with people":            {6000, clean, func(x *evidence.Context) { slow(x); x.Event.SubjectKind = event.SubjectService }, nil},
		"one sensitivity is not compared with another":     {6000, clean, func(x *evidence.Context) { slow(x); x.Event.Sensitivity = "high" }, nil},
		"one tenant is not compared with another":          {6000, clean, func(x *evidence.Context) { slow(x); x.Event.Tenant = "other" }, nil},
		"what is missing is no distance":                   {6000, clean, func(x *evidence.Context) { x.Before, x.Event.AuthTime, x.Event.Resource = 0, nil, "" }, nil},
		"a sensitivity that nobody knows is the usual one": {6000, clean, func(x *evidence.Context) { slow(x); x.Event.Sensitivity = "odd" }, []string{"answering took"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set, s := anomaly.NewSet(4), newStream()
			set.Use(params)
			for range tt.taught {
				see(set, s.next(), tt.clean)
			}
			loud, n := 0, 20
			for range n {
				x := s.next()
				tt.change(x)
				f, found := see(set, x, tt.clean)
				if !found {
					continue
				}
				loud++
				if f.Signal != evidence.Anomaly || !(f.Nats > 0) || f.Nats > params.Max || f.Strong {
					t.Errorf("found %+v", f)
				}
				for _, want := range tt.want {
					if !strings.Contains(f.Text, want) {
						t.Errorf("says %q, want %q in it", f.Text, want)
					}
				}
			}
			if tt.want == nil && loud > 2 || tt.want != nil && loud < n*3/4 {
				t.Errorf("%d of %d requests were strange", loud, n)
			}
		})
	}
}

// TestOrdinarySessionsSayLittle holds the mean of exp(L) over sessions of clean
// requests: an e-value has mean 1 at most where nothing is wrong.
func TestOrdinarySessionsSayLittle(t *testing.T) {
	set, s := taught(8000)
	sessions := make(map[string]*entity.Session)
	sum, n := 0.0, 8000
	for range n {
		x := s.next()
		goOn(sessions, x)
		f, _ := see(set, x, clean)
		sum += math.Exp(f.Nats)
	}
	if mean := sum / float64(n); mean > 1.05 {
		t.Errorf("mean of exp(L) over ordinary requests is %.3f", mean)
	}
}

// goOn lets a request belong to the session that its subject has begun.
func goOn(sessions map[string]*entity.Session, x *evidence.Context) {
	if begun := sessions[x.Event.GetSession()]; begun != nil {
		x.Session.Odd = begun.Odd
	}
	sessions[x.Event.GetSession()] = x.Session
}

// TestWeakOddsAddUp repeats what is a little strange in one session: it adds up
// to the signal's maximum, says nothing new beyond, and fades.
func TestWeakOddsAddUp(t *testing.T) {
	set, s := taught(6000)
	sessions := make(map[string]*entity.Session)
	odd := func() (evidence.Finding, bool) {
		x := s.next()
		x.Event.Session, x.Event.DurationUs = "one", 14_000_000
		goOn(sessions, x)
		return see(set, x, clean)
	}
	last := 0.0
	for i := range 10 {
		f, found := odd()
		if !found || f.Nats < last || f.Nats > params.Max || i == 0 && f.Nats > 1 {
			t.Fatalf("request %d says %v nats after %v", i, f.Nats, last)
		}
		last = f.Nats
	}
	if last != params.Max {
		t.Errorf("ten strange requests say %v nats, want %v", last, params.Max)
	}
	x := s.next()
	x.Event.Session, x.Event.DurationUs = "one", 14_000_000
	goOn(sessions, x)
	x.Session.Odd.Value = 3
	x.Session.Suspicion.Mark(int(evidence.SequentialIDs)).Peak = 2
	if f, _ := see(set, x, clean); f.Nats < 1.5 || f.Nats > params.Max-2 {
		t.Errorf("says %v nats beside 2 of another signal, want what goes beyond them", f.Nats)
	}
	sessions["one"].Odd.At -= int64(24 * time.Hour)
	if f, _ := odd(); f.Nats > 1 {
		t.Errorf("a day later one says %v nats", f.Nats)
	}
}

func TestWhatIsLookedAt(t *testing.T) {
	set, s := taught(6000)
	looked := func(n int, change func(*evidence.Context)) int {
		before := set.Looked
		for range n {
			x := s.next()
			change(x)
			set.Look(x, "")
		}
		return int(set.Looked - before)
	}
	tests := map[string]struct {
		change      func(*evidence.Context)
		least, most int // Of 8000.
	}{
		"of ordinary requests one in eight": {func(*evidence.Context) {}, 1000, 1500},
		"each that took long":               {func(x *evidence.Context) { x.Event.DurationUs = 14_000_000 }, 8000, 8000},
		"each that brought much":            {func(x *evidence.Context) { x.Event.BytesIn = 1 << 20 }, 8000, 8000},
		"each that got much":                {func(x *evidence.Context) { x.Event.BytesOut = 1 << 20 }, 8000, 8000},
		"no address":                        {func(x *evidence.Context) { x.Subject = nil }, 0, 0},
		"no tick":                           {func(x *evidence.Context) { x.Event.Phase = event.PhaseTick }, 0, 0},
		"no session event":                  {func(x *evidence.Context) { x.Event.Kind = event.KindSession }, 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := looked(8000, tt.change); got < tt.least || got > tt.most {
				t.Errorf("%d of 8000 requests were looked at, want %d to %d", got, tt.least, tt.most)
			}
		})
	}
	set.Use(anomaly.Params{})
	if got := looked(100, func(*evidence.Context) {}); got != 0 {
		t.Errorf("%d requests were looked at although the signal is off", got)
	}
}

// TestRestartGoesOnAlike restores a set and lets both go on.
func TestRestartGoesOnAlike(t *testing.T) {
	set, s := taught(3000)
	w := snapshot.Writer()
	set.Code(w)
	again := anomaly.NewSet(4)
	again.Use(params)
	r := snapshot.Reader(w.Bytes())
	again.Code(r)
	if r.Err() != nil || again.Err() != nil {
		t.Fatal(r.Err(), again.Err())
	}
	for i := range 2000 {
		x := s.next()
		if i%10 == 0 {
			x.Event.DurationUs *= 1000
		}
		copied := *x.Session
		a, foundA := see(set, x, clean)
		x.Session = &copied
		b, foundB := see(again, x, clean)
		if a != b || foundA != foundB {
			t.Fatalf("after %d requests %+v, restored %+v", i, a, b)
		}
	}
	for _, cut := range []int{0, 1, len(w.Bytes()) / 2, len(w.Bytes()) - 1} {
		r := snapshot.Reader(w.Bytes()[:cut])
		broken := anomaly.NewSet(4)
		broken.Code(r)
		if r.Err() == nil && broken.Err() == nil {
			t.Errorf("the first %d of %d B were read as a whole", cut, len(w.Bytes()))
		}
	}
}

// TestDetectorsAreBounded shows more tenants than there may be detectors, and
// holds the size of one.
func TestDetectorsAreBounded(t *testing.T) {
	const bytesMax = 320 << 10
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	set, s := anomaly.NewSet(3), newStream()
	set.Use(params)
	for i := range 9000 {
		x := s.next()
		x.Event.Tenant = fmt.Sprint("t", i%3)
		see(set, x, clean)
	}
	grown := (heap() - before) / 3
	w := snapshot.Writer()
	set.Code(w)
	t.Logf("%d B of memory and %d B of snapshot a detector", grown, len(w.Bytes())/3)
	if grown > bytesMax || len(w.Bytes())/3 > bytesMax {
		t.Errorf("a detector takes %d B of memory and %d B of snapshot, want at most %d", grown, len(w.Bytes())/3, bytesMax)
	}
	more := func(n int) {
		for i := range n {
			x := s.next()
			x.Event.Tenant = fmt.Sprint("more", i)
			see(set, x, clean)
		}
	}
	more(10)
	if set.Len() != 3 || set.Evicted() != 0 || set.Without != 20 {
		t.Errorf("%d detectors, %d evicted and %d events without, want 3, 0 and 20", set.Len(), set.Evicted(), set.Without)
	}
	s.now += int64(25 * time.Hour)
	more(4)
	if set.Len() != 3 || set.Evicted() != 3 || set.Without != 22 {
		t.Errorf("a day later %d detectors, %d evicted and %d events without, want 3, 3 and 22", set.Len(), set.Evicted(), set.Without)
	}
}

func TestNothingIsAllocatedForOrdinaryRequests(t *testing.T) {
	set, s := taught(4000)
	requests := make([]*evidence.Context, 4200)
	for i := range requests {
		requests[i] = s.next()
		if i%2 == 0 {
			draw(requests[i])
		} else {
			skip(requests[i])
		}
	}
	i := 0
	got := testing.AllocsPerRun(len(requests)-1, func() {
		x := requests[i]
		i++
		_, found := set.Look(x, "")
		if found {
			return // A text for a person is made.
		}
		set.Learn(x, false, clean)
	})
	if got != 0 {
		t.Errorf("%v allocations a request", got)
	}
}

// BenchmarkSet looks at requests as the engine does: one in eight is drawn.
func BenchmarkSet(b *testing.B) {
	set, s := taught(4000)
	requests := make([]*evidence.Context, 512)
	for i := range requests {
		requests[i] = s.next()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		x := requests[i%len(requests)]
		x.Session.Requests = uint64(i)
		set.Look(x, "")
		set.Learn(x, false, clean)
	}
}
