package attack

import (
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack"
	"github.com/vigil-gateway/vigil/cmd/internal/people"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// deskNow is when the people of these tests were made, a Tuesday at work.
var deskNow = time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC)

// desks are people with a history, and one scorer that has seen it.
type desks struct {
	population *people.Population
	narrator   *people.Narrator
	pair       *scorer.Pair
	offset     int64
}

func newDesks(t *testing.T, seed uint64, count int) *desks {
	t.Helper()
	names, err := event.NewNames(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	table, err := route.NewTable(route.Config{Routes: devstack.SampleRoutes("http://127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	d := &desks{
		population: people.NewPopulation(seed, count, deskNow),
		narrator:   &people.Narrator{Names: names, Routes: table, Issuer: "http://issuer.test", Tenant: "default", Host: "127.0.0.1:2", Tick: 5 * time.Second},
	}
	d.pair, err = scorer.NewPair(scorer.Options{Model: model.Default(), OfflineClock: true})
	if err != nil {
		t.Fatal(err)
	}
	history, err := d.narrator.History(d.population)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range history {
		d.assess(e)
	}
	return d
}

// assess returns what the judge asks for.
func (d *desks) assess(e *event.RequestEvent) string {
	d.offset++
	res, _ := d.pair.Assess(scorer.Record{Event: e, Topic: topic.Requests, Offset: d.offset})
	if res.Assessment == nil {
		return verdict.ActionObserve
	}
	return res.Assessment.GetAction()
}

// seat is a desk that somebody else has sat down at: the owner's events and behind
// them, from his on, the intruder's.
type seat struct {
	owner  *people.Person
	events []*event.RequestEvent
	from   int
	// caught is the request of the intruder with which he is asked to confirm who he
	// is, 0 for none.
	caught int
}

// ownersStay is how long an owner works before somebody takes his seat.
const ownersStay = 20 * time.Second

func (d *desks) seat(t *testing.T, seed uint64, n int) *seat {
	t.Helper()
	r := people.Random(seed, "desk", n)
	own := d.population.Visit(r, d.population.People[n], deskNow.Add(time.Duration(n%20)*time.Second))
	stays := time.Duration(0)
	for i := range own.Steps {
		s := &own.Steps[i]
		if stays+s.Wait > ownersStay {
			own.Steps = own.Steps[:i]
			break
		}
		stays += s.Wait
		s.Lasts = min(s.Lasts, ownersStay-stays)
	}
	his := own
	his.Start, his.Steps = own.Start.Add(ownersStay+deskFree), nil
	for range takeoverMost {
		s := greedy(r)
		s.Wait = people.Pause(r, takeoverThink)
		answered(&s)
		his.Steps = append(his.Steps, s)
	}
	k := &seat{owner: own.Person}
	for _, v := range []*people.Visit{&own, &his} {
		k.from = len(k.events)
		events, err := d.narrator.Tell(r, v)
		if err != nil {
			t.Fatal(err)
		}
		k.events = append(k.events, events...)
	}
	return k
}

// answered notes what the sample service answers to a step.
func answered(s *people.Step) {
	sizes := map[string]uint64{"/": 32, "/me": 40, "/accounts": 153, "/upload": 12}
	s.BytesOut = 56
	if size, known := sizes[s.Path]; known {
		s.BytesOut = size
	}
	if s.Path == "/download" {
		s.BytesOut, _ = strconv.ParseUint(s.Query.Get("bytes"), 10, 64)
		s.Lasts = 5 * time.Millisecond
	}
	if s.Method == http.MethodPost {
		s.Status = http.StatusOK
	}
}

// play lets all of them work at once, as they do on a gateway.
func (d *desks) play(seats []*seat) {
	type turn struct {
		seat *seat
		i    int
	}
	var turns []turn
	for _, k := range seats {
		for i := range k.events {
			turns = append(turns, turn{k, i})
		}
	}
	slices.SortStableFunc(turns, func(a, b turn) int {
		return a.seat.events[a.i].GetTime().AsTime().Compare(b.seat.events[b.i].GetTime().AsTime())
	})
	for _, at := range turns {
		action := d.assess(at.seat.events[at.i])
		if n := at.i - at.seat.from + 1; n > 0 && at.seat.caught == 0 && verdict.Strength(action) >= verdict.Strength(verdict.ActionStepUp) {
			at.seat.caught = n
		}
	}
}

// TestNobodyKeepsAnotherOnesDesk sits down at two dozen desks without a gateway, those of
// analysts among them, whose own work is to download: who does nothing but what the
// owner does, only all the time, is somebody else, too.
func TestNobodyKeepsAnotherOnesDesk(t *testing.T) {
	// Of fewer people too few sessions are known to say how rare his is.
	const seed, count, rounds, most = 1, 80, 24, 60
	d := newDesks(t, seed, count)
	var seats []*seat
	for n := range rounds {
		seats = append(seats, d.seat(t, seed, n))
	}
	d.play(seats)
	var figures []float64
	roles := map[people.Role]int{}
	for n, k := range seats {
		roles[k.owner.Role]++
		if k.caught == 0 {
			t.Errorf("at desk %d, of %s (%s), he got away with %d requests", n, k.owner.Name, k.owner.Role, takeoverMost)
		}
		figures = append(figures, float64(k.caught))
	}
	median := quantile(figures, 0.5)
	t.Logf("median %.0f, at most %.0f requests; %v", median, quantile(figures, 1), roles)
	if median > most || roles[people.RoleAnalyst] == 0 {
		t.Errorf("half of them get more than %.0f requests, %d is promised; %v", median, most, roles)
	}
}
