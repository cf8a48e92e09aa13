package deadletter_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
)

func TestALetterTellsWhereWhoAndWhy(t *testing.T) {
	l := &deadletter.Letter{
		Topic: "vigil.requests", Partition: 3, Offset: 41, Stage: deadletter.StageScoring, Reason: "malformed",
		Time: time.Unix(1_800_000_000, 0).UTC(), Key: []byte("k"), Value: []byte("\xff"),
	}
	l.AddHeader("traceparent", []byte("00"))
	key, value, attributes, err := l.Seal()
	if err != nil {
		t.Fatal(err)
	}
	var got deadletter.Letter
	err = json.Unmarshal(value, &got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*l, got, cmpopts.IgnoreUnexported(deadletter.Letter{})); diff != "" || got.Bytes != 1 || len(got.Headers) != 1 {
		t.Errorf("letter (-want +got):\n%s", diff)
	}
	if attributes.ID != "scoring/vigil.requests/3/41" || attributes.Type != cloudevent.TypeDead || attributes.ContentType != cloudevent.JSON {
		t.Errorf("attributes %+v", attributes)
	}
	again, _, _, err := l.Seal()
	if err != nil || !bytes.Equal(key, again) {
		t.Errorf("the same record has keys %q and %q, error %v", key, again, err)
	}
	l.Stage = deadletter.StageStoring
	other, _, _, err := l.Seal()
	if err != nil || bytes.Equal(key, other) {
		t.Errorf("two readers share key %q, error %v", key, err)
	}
}

// The largest letter still fits a Kafka record of the default size.
func TestALetterIsBounded(t *testing.T) {
	huge := bytes.Repeat([]byte{0xff}, 4*deadletter.ValueMax)
	l := &deadletter.Letter{Topic: "t", Stage: deadletter.StageStoring, Reason: strings.Repeat("r", 1<<20), Value: huge}
	for range 3 {
		l.AddHeader("small", []byte("x"))
		l.AddHeader("huge", huge)
	}
	_, value, _, err := l.Seal()
	if err != nil {
		t.Fatal(err)
	}
	if len(value) > 1<<19 {
		t.Errorf("a letter of %d bytes", len(value))
	}
	var got deadletter.Letter
	err = json.Unmarshal(value, &got)
	if err != nil {
		t.Fatal(err)
	}
	if got.Bytes != len(huge) || len(got.Value) != deadletter.ValueMax || len(got.Reason) != deadletter.ReasonMax || len(got.Headers) != 1 {
		t.Errorf("letter says %d bytes, keeps %d, a reason of %d, %d headers", got.Bytes, len(got.Value), len(got.Reason), len(got.Headers))
	}
}
