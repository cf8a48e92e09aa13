package scorer_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

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

func (a attic) Clear() { clear(a) }

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
	switch {
	case raceEnabled:
		records = 3_000
	case testing.Short():
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

// TestNobodyIsPutIntoThePlaceOfWhoIsInHand has a verdict look at all sessions of its
// subject, of which one is in memory, the next to be pushed out, and another one, which
// is revoked, comes back: it is revoked once, and not in both places.
func TestNobodyIsPutIntoThePlaceOfWhoIsInHand(t *testing.T) {
	const room = 64
	ample, few := engineOfRoom(t, model.Default(), 1<<16, nil), engineOfRoom(t, model.Default(), room, attic{})
	now, offset, proposals := start, int64(0), 0
	send := func(subject, session string, attack bool) {
		t.Helper()
		now = now.Add(time.Second)
		offset++
		ev := &event.RequestEvent{
			Kind: event.KindRequest, Phase: event.PhaseComplete, Time: timestamppb.New(now), Tenant: "default",
			Subject: subject, Session: session, SubjectKind: event.SubjectHuman, Address: "192.0.2.1", Asn: 64500, Country: "DE",
			Method: "GET", Path: "/", Template: "/", Status: 200,
		}
		if attack {
			ev.Path, ev.Template, ev.Status, ev.WafScore = "/files/../../etc/passwd", "", 404, 20
		}
		r := scorer.Record{Event: ev, Topic: "vigil.requests", Partition: 3, Offset: offset}
		res := ample.Assess(r)
		proposals = len(res.Proposals)
		for _, p := range res.Proposals {
			t.Logf("%s: %s of %s", session, p.Action, p.Target)
		}
		if want, got := all(t, res), all(t, few.Assess(r)); got != want {
			t.Fatalf("%v, with little room:\n%s\nwith room for all:\n%s", ev, got, want)
		}
	}
	send("alice", "next", false)
	for range 6 {
		send("alice", "revoked", true)
	}
	for _, session := range []string{"gone", "revoked", "next"} { // As they are pushed out.
		send("alice", session, false)
	}
	for i := range room - 3 {
		send("bob", fmt.Sprint("session-", i), false)
	}
	send("alice", "new", true)
	if proposals == 0 || few.Stats().Returned == 0 {
		t.Errorf("%d verdicts, %+v", proposals, few.Stats())
	}
}

// TestNobodyComesBackFromAFutureThatWasNone lets a lone gateway's clock stand in 2099
// until two others agree: who was pushed out until then is as unknown as the others.
func TestNobodyComesBackFromAFutureThatWasNone(t *testing.T) {
	m := *model.Default()
	away := attic{}
	var engines []*scorer.Engine
	for room, store := range map[int]attic{1 << 16: nil, 64: away} {
		bounded := m
		bounded.Limits.SessionsMax, bounded.Limits.SubjectsMax, bounded.Limits.AddressesMax = room, room, room
		e, err := scorer.New(scorer.Options{Model: &bounded})
		if err != nil {
			t.Fatal(err)
		}
		if store != nil {
			e.Shelve(store)
		}
		engines = append(engines, e)
	}
	seq := map[string]uint64{}
	send := func(gateway string, ev *event.RequestEvent) {
		t.Helper()
		seq[gateway]++
		ev.Gateway, ev.Epoch, ev.Seq = gateway, 1, seq[gateway]
		r := scorer.Record{Event: ev, Topic: "vigil.requests", Partition: 3, Offset: int64(len(seq)<<32) + int64(seq[gateway])}
		a, b := all(t, engines[0].Assess(r)), all(t, engines[1].Assess(r))
		if a != b {
			t.Fatalf("%v: one says\n%s\nand the other\n%s", ev, a, b)
		}
	}
	tick := func(gateway string, at time.Time) {
		send(gateway, &event.RequestEvent{Kind: event.KindTick, Time: timestamppb.New(at)})
	}
	crowded := func(gateway string, at time.Time) {
		rng := rand.New(rand.NewPCG(5, 5))
		for i := range 1500 {
			at = at.Add(time.Duration(rng.IntN(5000)) * time.Millisecond)
			tick(gateway, at)
			send(gateway, throng(rng, at, i))
		}
	}
	wrong := start.AddDate(73, 0, 0)
	tick("wrong", wrong)
	crowded("wrong", wrong)
	if len(away) < 64 {
		t.Fatalf("%d are away", len(away))
	}
	for i := range 3 {
		tick("a", start.Add(time.Duration(i)*time.Second))
		tick("b", start.Add(time.Duration(i)*time.Second))
	}
	for i, e := range engines {
		if s := e.Stats(); s.Sessions != 0 || time.Unix(0, s.Clock).After(start.Add(time.Hour)) {
			t.Fatalf("engine %d: %+v", i, s)
		}
	}
	if len(away) != 0 {
		t.Errorf("%d are kept of a future that was none", len(away))
	}
	crowded("a", start.Add(time.Minute))
}
