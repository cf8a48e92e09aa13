package scorer_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// attic is a cold store without a bound.
type attic map[string][]byte

func (a attic) Put(key, value []byte, _ bool) { a[string(key)] = bytes.Clone(value) }

func (a attic) Take(key []byte) []byte {
	v := a[string(key)]
	delete(a, string(key))
	return v
}

// engineOfRoom is an engine of a model with room for so many of each; with a cold
// store where there is one.
func engineOfRoom(t *testing.T, m *model.Model, room int, away attic) *scorer.Engine {
	t.Helper()
	bounded := *m
	bounded.Limits.SessionsMax, bounded.Limits.SubjectsMax, bounded.Limits.AddressesMax = room, room, room
	e, err := scorer.New(scorer.Options{Model: &bounded, OfflineClock: true})
	if err != nil {
		t.Fatal(err)
	}
	if away != nil {
		e.Shelve(away)
	}
	return e
}

// throng draws an event of one of several hundred.
func throng(rng *rand.Rand, at time.Time, i int) *event.RequestEvent {
	ev := crowd(rng, at, i)
	who := fmt.Sprint("-", rng.IntN(20))
	if ev.Subject != "" {
		ev.Subject, ev.Session = ev.Subject+who, ev.Session+who+fmt.Sprint("-", i/1500)
	}
	if rng.IntN(9) == 0 {
		ev.Session = "" // Then the subject is the actor.
	}
	if ev.Account != "" {
		ev.Account += who
	}
	if ev.Subject == "" {
		ev.Address = fmt.Sprintf("203.0.%d.%d", rng.IntN(9), rng.IntN(40))
	}
	return ev
}

// TestWhoWasPushedOutComesBackAsHeWas plays the same records to an engine that has
// room for all and to one that has room for few and a cold store: they say the same.
// The second one goes on in another life now and then.
func TestWhoWasPushedOutComesBackAsHeWas(t *testing.T) {
	records := 15_000
	if testing.Short() || raceEnabled {
		records = 6_000
	}
	const lines = "version: 1\nname: test\nlimits: {detectors_max: 3}\nlearning: {quarantine: 1m, free_sessions: 2, common_above: 0}\n" +
		"peer_groups:\n  - {id: even, client_ids: [c0, c2]}\n"
	m, err := model.Parse("test.yaml", []byte(lines))
	if err != nil {
		t.Fatal(err)
	}
	const wide, narrow = 1 << 16, 64
	away := attic{}
	ample, few := engineOfRoom(t, m, wide, nil), engineOfRoom(t, m, narrow, away)
	rng := rand.New(rand.NewPCG(11, 11))
	at := start
	for i := range records {
		at = at.Add(time.Duration(rng.IntN(40_000)) * time.Millisecond)
		if rng.IntN(200) == 0 {
			at = at.Add(5 * time.Hour)
		}
		r := scorer.Record{Event: throng(rng, at, i), Topic: "vigil.requests", Partition: 3, Offset: int64(i)}
		if i%300 == 299 { // An operator lifts what there is against somebody.
			ev := r.Event
			r.Event = &event.RequestEvent{
				Kind: event.KindControl, Reason: event.ReasonClear, Time: ev.Time, Tenant: ev.Tenant, Subject: ev.Subject, Session: ev.Session, Address: ev.Address,
			}
		}
		want := all(t, ample.Assess(r))
		got := all(t, few.Assess(r))
		if got != want {
			t.Fatalf("record %d, %v, with little room:\n%s\nwith room for all:\n%s", i, r.Event, got, want)
		}
		if i%997 == 0 {
			var b bytes.Buffer
			err := few.Snapshot(&b)
			if err != nil {
				t.Fatal(err)
			}
			away = maps.Clone(away)
			few = engineOfRoom(t, m, narrow, away)
			err = few.Restore(&b, nil)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	s := few.Stats()
	t.Logf("%+v, %d away", s, len(away))
	if s.Returned == 0 || s.Sessions > narrow || s.Subjects > narrow || s.Addresses > narrow || len(away) < narrow {
		t.Errorf("too little has happened: %+v", s)
	}
}

// TestWithoutAColdStoreWhoIsPushedOutIsForgotten shows that the test above can fail.
func TestWithoutAColdStoreWhoIsPushedOutIsForgotten(t *testing.T) {
	m := model.Default()
	ample, few := engineOfRoom(t, m, 1<<16, nil), engineOfRoom(t, m, 64, nil)
	rng := rand.New(rand.NewPCG(11, 11))
	at := start
	for i := range 6000 {
		at = at.Add(time.Duration(rng.IntN(40_000)) * time.Millisecond)
		r := scorer.Record{Event: throng(rng, at, i), Topic: "vigil.requests", Partition: 3, Offset: int64(i)}
		if all(t, ample.Assess(r)) != all(t, few.Assess(r)) {
			return
		}
	}
	t.Error("nobody was missed")
}
