package ingest_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer/ingest"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

func realEngine(m *model.Model) (ingest.Engine, error) { return scorer.New(scorer.Options{Model: m}) }

// traffic is a gateway's day in small: people with habits, a scanner, a thief.
func traffic(random *rand.Rand, n, people int) []*event.RequestEvent {
	begin := time.Now().Add(-time.Duration(n) * time.Second)
	out := make([]*event.RequestEvent, n)
	for i := range out {
		who := random.IntN(people)
		lat, lon := 48.0+float64(who%5), 11.0
		ev := &event.RequestEvent{
			Kind: event.KindRequest, Id: fmt.Sprint("e", i), Time: timestamppb.New(begin.Add(time.Duration(i) * time.Second)),
			Phase: event.PhaseComplete, Gateway: "gw", Epoch: 1, Lane: 1, Seq: uint64(i + 1), Tenant: "default",
			Subject: fmt.Sprint("subject", who), Session: fmt.Sprint("session", who), SubjectKind: event.SubjectHuman,
			Address: fmt.Sprintf("192.0.2.%d", who%250), Asn: 64500, Country: "DE", Latitude: &lat, Longitude: &lon,
			UserAgent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", Method: "GET", Host: "api", Path: "/accounts/1",
			Route: "accounts", Template: "/accounts/{id}", Resource: fmt.Sprint(random.IntN(3)), Status: 200, Decision: event.DecisionPermit,
			BytesOut: uint64(1000 + random.IntN(500)), DurationUs: 1000,
		}
		switch {
		case i%10 == 9:
			ev.Kind, ev.Subject, ev.Session = event.KindTick, "", ""
		case i > n/2 && i%7 == 0: // The thief: far away, another client, an id after the other.
			far := -33.0
			ev.Latitude, ev.Country, ev.Address, ev.Asn = &far, "AU", "198.51.100.7", 64501
			ev.UserAgent, ev.Resource, ev.BytesOut = "curl/8.0", fmt.Sprint(1000+i), 5<<20
		case i%11 == 0:
			ev.Subject, ev.Session, ev.Address, ev.Path, ev.Status = "", "", "203.0.113.9", "/wp-login.php", 404
			ev.Template, ev.Route = "", ""
		}
		out[i] = ev
	}
	return out
}

// The real engine, killed anywhere and restored from whatever is there, gives
// the bytes of an engine that never stopped.
func TestRestartsGiveTheBytesOfOneLife(t *testing.T) {
	restartsGiveTheBytesOfOneLife(t, 5, true)
}

// The same where there are more people than there is room for: who was pushed out
// comes back from the disk, also in the next life. Lives end well here, so that each
// goes on from the disk.
func TestRestartsGiveTheBytesOfOneLifeToWhomThereIsNoRoomFor(t *testing.T) {
	restartsGiveTheBytesOfOneLife(t, 90, false)
}

// cramped is an engine with room for few.
func cramped(m *model.Model) (ingest.Engine, error) {
	small := *m
	small.Limits.SessionsMax, small.Limits.SubjectsMax, small.Limits.AddressesMax = 64, 64, 64
	return realEngine(&small)
}

func restartsGiveTheBytesOfOneLife(t *testing.T, people int, killed bool) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	r, lose := newFaulty(t)
	const lives, each = 5, 120
	events := traffic(random, lives*each, people)

	oracle, err := scorer.New(scorer.Options{Model: model.Default()})
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[int64][]byte)
	proposed := 0
	for i, ev := range events {
		res := oracle.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Partition: 1, Offset: int64(i)})
		proposed += len(res.Proposals)
		if res.Assessment != nil {
			want[int64(i)], err = res.Assessment.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d assessments, %d proposals", len(want), proposed)

	dir := t.TempDir()
	for life := range lives {
		a := r.start(dir, impatient, func(o *ingest.Options) { o.NewEngine = cramped })
		dies := random.IntN(each)
		for i, ev := range events[life*each : (life+1)*each] {
			if killed && i == dies && life < lives-1 {
				if random.IntN(2) == 0 {
					eventually(t, "it works", func() bool { return len(a.Status()) == partitions && a.Status()[1].Ready })
				}
				lose.Store(writes + random.Int32N(2))
			}
			r.send(1, ev)
		}
		if life < lives-1 {
			if !killed {
				eventually(t, "all is scored", func() bool { s := a.Status(); return len(s) == partitions && s[1].Next == int64((life+1)*each) })
			}
			a.stop()
			lose.Store(nothing)
		}
	}
	got := func() map[int64][]byte {
		out := make(map[int64][]byte)
		for _, m := range r.read(topic.Assessments, 1) {
			b, err := assessment.Decode(m.Value)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range b.Assessments {
				value, err := a.MarshalVT()
				if err != nil {
					t.Fatal(err)
				}
				old, seen := out[a.Offset]
				if seen && !bytes.Equal(old, value) {
					t.Fatalf("offset %d assessed in two ways", a.Offset)
				}
				out[a.Offset] = value
			}
		}
		return out
	}
	eventually(t, "every event is assessed", func() bool { return len(got()) == len(want) })
	for offset, value := range got() {
		if !bytes.Equal(want[offset], value) {
			t.Errorf("offset %d differs from one life", offset)
		}
	}
}
