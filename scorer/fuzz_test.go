package scorer_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// FuzzRestore restores payloads that carry a right checksum and wrong contents,
// and scores on what came of it.
func FuzzRestore(f *testing.F) {
	e := fresh(f, true)
	for _, subject := range []string{"", "u"} {
		e.Assess(scorer.Record{Event: &event.RequestEvent{Time: timestamppb.New(start), Subject: subject, Address: "192.0.2.1", Asn: 3320, AuthOutcome: event.AuthFailure, Account: "a"}})
		e.Assess(scorer.Record{Event: &event.RequestEvent{Time: timestamppb.New(start), Subject: subject, Session: subject, Address: "192.0.2.1", Path: "/.env", Status: 404, Resource: "1"}})
	}
	var b bytes.Buffer
	err := e.Snapshot(&b)
	if err != nil {
		f.Fatal(err)
	}
	payload, err := snapshot.Open(&b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var b bytes.Buffer
		err := snapshot.Seal(&b, payload)
		if err != nil {
			t.Fatal(err)
		}
		e := fresh(t, true)
		_ = e.Restore(&b, nil) // An error is as good as a state that holds.
		e.Assess(scorer.Record{Event: &event.RequestEvent{Time: timestamppb.New(start), Subject: "u", Session: "u", Address: "192.0.2.1", Path: "/a/1", Status: 200, Resource: "2"}})
	})
}

// FuzzAssess scores whatever events can be decoded, one a line, in both stages: what
// comes of it is a number, and the state that is left can be restored.
func FuzzAssess(f *testing.F) {
	files, err := filepath.Glob("../testdata/events/v1/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	var all []byte
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		all = append(append(all, bytes.TrimSpace(b)...), '\n')
	}
	f.Add(all)
	f.Add([]byte(`{"time":"0001-01-01T00:00:00Z","kind":"tick","gateway":"g","seq":1}
{"time":"9999-12-31T23:59:59Z","subject":"u","session":"s","waf_score":1e308,"latitude":-90,"longitude":180,"accuracy_radius_km":-1,"bytes_out":18446744073709551615}
{"time":"2026-01-01T00:00:00Z","subject":"u","session":"s","phase":"tick","bytes_out":1,"attributes":{"announced_bytes":"18446744073709551615","query":"a=%"}}
{"time":"2026-01-01T00:00:01Z","path":"/login","method":"POST","status":401,"auth_outcome":"failure","account":"a"}
{"time":"2026-01-01T00:00:02Z","address":"::ffff:1.2.3.4%x","path":"/a/9223372036854775807","status":404,"resource":"000000000000000000000009"}`))
	f.Fuzz(func(t *testing.T, lines []byte) {
		p, err := scorer.NewPair(scorer.Options{Model: shipped, OfflineClock: true})
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range bytes.SplitN(lines, []byte("\n"), 65) {
			ev := new(event.RequestEvent)
			if event.DecodeJSON(line, ev) != nil {
				continue
			}
			res, facets := p.Assess(scorer.Record{Event: ev, Topic: "t", Offset: int64(i)})
			for _, a := range append(facets.Assessments, res.Assessment) {
				if x := a.GetScore() + a.GetSessionScore(); math.IsNaN(x) || math.IsInf(x, 0) {
					t.Fatalf("line %d: score %g, session %g", i, a.GetScore(), a.GetSessionScore())
				}
			}
			for _, v := range res.Proposals {
				if v.Target.GetId() == "" {
					t.Fatalf("line %d: a verdict about nobody", i)
				}
			}
		}
		restorable(t, p.Engine)
	})
}
