package cost

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/entity"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Crowd is an engine full of subjects that have taught their habits over
// crowdVisits visits and are active in one session each.
type Crowd struct {
	Engine   *scorer.Engine
	subjects int
	offset   int64
	now      time.Time
	random   *rand.Rand
	// BytesEach is what the heap has grown by for each subject.
	BytesEach float64
}

const (
	crowdVisits, crowdRequests = 4, 8
	crowdSeed                  = 1
	// crowdGap is the mean time between two requests of a subject, of however many.
	crowdGap = 30 * time.Second
	// crowdRounds is after how many requests of each, on average, gaps are what they
	// will be.
	crowdRounds = 2
)

// NewCrowd fills an engine. The model's limits are raised to hold everybody.
func NewCrowd(m *model.Model, subjects int) (*Crowd, error) {
	return NewCrowdIn(m, subjects, subjects, nil)
}

// NewCrowdIn is NewCrowd for an engine that has room for more subjects than the
// crowd's, and a cold store, nil for none, for whom there is no room.
func NewCrowdIn(m *model.Model, subjects, room int, away entity.Cold) (*Crowd, error) {
	raised := *m
	raised.Limits.SubjectsMax, raised.Limits.SessionsMax = room, room
	before := Heap()
	e, err := scorer.New(scorer.Options{Model: &raised, OfflineClock: true})
	if err != nil {
		return nil, fmt.Errorf("cost: %w", err)
	}
	if away != nil {
		e.Shelve(away)
	}
	c := &Crowd{
		Engine: e, subjects: subjects, now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC),
		random: rand.New(rand.NewPCG(crowdSeed, uint64(subjects))), //nolint:gosec // A seeded draw, no secret.
	}
	ev := &event.RequestEvent{Time: new(timestamppb.Timestamp)}
	for visit := range crowdVisits {
		for i := range subjects {
			dress(ev, i, visit)
			for n := range crowdRequests {
				ask(ev, i, visit, n, c.now.Add(time.Duration(n)*20*time.Second))
				c.assess(ev)
			}
		}
		c.now = c.now.Add(3 * time.Hour)
	}
	held := Heap()
	c.BytesEach = float64(held-before) / float64(subjects)
	if got := e.Stats(); got.Subjects != subjects || got.Sessions != subjects || got.Evicted != 0 {
		return nil, fmt.Errorf("cost: the engine holds %+v, want %d subjects and as many sessions", got, subjects)
	}
	return c, nil
}

// Measure times requests of subjects drawn at random, so that each is met cold,
// from where they were last, and beside it another operation on the same events.
// However many there are, what is timed is the same work: everybody has taught what
// his last visit showed, and each comes as often.
func (c *Crowd) Measure(events int, other func(*event.RequestEvent)) (engine, beside *Latency) {
	var t, o timing
	list := make([]*event.RequestEvent, chunkEvents)
	for i := range list {
		list[i] = &event.RequestEvent{Time: new(timestamppb.Timestamp)}
	}
	for i := range c.subjects {
		c.come(list[0], i)
	}
	for range crowdRounds * c.subjects {
		c.come(list[0], c.drawn())
	}
	for left := events; left > 0; left -= len(list) {
		list = list[:min(left, len(list))]
		for _, ev := range list {
			c.request(ev, c.drawn())
		}
		t.chunk(len(list), func(i int) { c.assess(list[i]) })
		o.chunk(len(list), func(i int) { other(list[i]) })
	}
	return t.done(), o.done()
}

// drawn is a subject, a step of time later.
func (c *Crowd) drawn() int {
	c.now = c.now.Add(crowdGap / time.Duration(c.subjects))
	return c.random.IntN(c.subjects)
}

// request makes an event a request of a subject in the session of his last visit.
func (c *Crowd) request(ev *event.RequestEvent, subject int) {
	dress(ev, subject, crowdVisits-1)
	ask(ev, subject, crowdVisits-1, c.random.IntN(crowdRequests), c.now)
}

// come lets a subject make such a request.
func (c *Crowd) come(ev *event.RequestEvent, subject int) {
	c.request(ev, subject)
	c.assess(ev)
}

// Session is the name of a subject's session.
func (c *Crowd) Session(subject int) string { return sessionName(subject) }

func sessionName(subject int) string { return fmt.Sprintf("session-%014d", subject) }

func (c *Crowd) assess(ev *event.RequestEvent) {
	c.Engine.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Offset: c.offset})
	c.offset++
}

// dress makes an event that of a subject's visit: two networks, two clients.
func dress(ev *event.RequestEvent, subject, visit int) {
	at := ev.Time
	ev.Reset()
	ev.Time = at
	ev.Kind, ev.Phase, ev.Tenant, ev.SubjectKind = event.KindRequest, event.PhaseComplete, "default", event.SubjectHuman
	// Hashes, as the gateway sends them, have 22 characters and more.
	ev.Subject, ev.Session = fmt.Sprintf("subject-%014d", subject), sessionName(subject)
	ev.TokenId = fmt.Sprintf("token-%d-%d", subject, visit)
	ev.Address, ev.Asn, ev.Country = fmt.Sprintf("10.%d.%d.%d", subject>>8&255, subject&255, visit%2), uint32(3320+visit%2), "DE"
	ev.Latitude, ev.Longitude, ev.AccuracyRadiusKm = new(52.5), new(13.4), 50
	ev.UserAgent, ev.Ja4 = agents[visit%2], handshakes[visit%2]
	ev.Method, ev.Status = "GET", 200
}

// ask makes an event the n-th request of a visit: five pages, ids, sizes.
func ask(ev *event.RequestEvent, subject, visit, n int, at time.Time) {
	ev.Time.Seconds, ev.Time.Nanos = at.Unix(), int32(at.Nanosecond())
	ev.Template = templates[n%len(templates)]
	ev.Path, ev.Resource = ev.Template, ""
	if n%len(templates) < 2 {
		ev.Resource = strconv.Itoa(1000 + (subject*7+n*13)%997)
	}
	ev.BytesOut = uint64(500 << (n + visit))
}

// What a subject shows, by visit and request.
var (
	agents = [...]string{ //nolint:gochecknoglobals // A constant: Go has no constant lists.
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
	}
	handshakes = [...]string{"t13d1516h2_8daaf6152771_02713d6af862", "t13d2014h2_a09f3c656075_14788d8d241b"} //nolint:gochecknoglobals // As above.
	templates  = [...]string{"/accounts/{id}", "/orders/{id}", "/", "/profile", "/reports"}                  //nolint:gochecknoglobals // As above.
)

// Heap is what is in use, in bytes, after two collections: the first may only begin what
// finalisers end.
func Heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
