package scorer_test

import (
	"bytes"
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
