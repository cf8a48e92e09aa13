package deadletter_test

import (
	"bytes"
	"encoding/json"
	"strconv"
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
	l.TopicID = "7f"
	anew, _, _, err := l.Seal()
	if err != nil || bytes.Equal(other, anew) || l.ID() != "storing/vigil.requests/3/41/7f" {
		t.Errorf("%s and the record of a topic that had its name before share key %q, error %v", l.ID(), anew, err)
	}
}

// The largest letter still fits a Kafka record of the default size, whatever the record
// is made of.
func TestALetterIsBounded(t *testing.T) {
	huge := bytes.Repeat([]byte{0xff}, 4*deadletter.ValueMax)
	names := func(each, n int) func(l *deadletter.Letter) {
		return func(l *deadletter.Letter) {
			for i := range n {
				l.AddHeader(strings.Repeat("\x01", each)+strconv.Itoa(i), nil)
			}
		}
	}
	for name, headers := range map[string]func(l *deadletter.Letter){
		"large headers":           func(l *deadletter.Letter) { l.AddHeader("huge", huge); l.AddHeader("huge too", huge) },
		"a name that is escaped":  names(200<<10, 1),
		"names that are escaped":  names(1000, 500),
		"many headers of no size": names(0, 100_000),
		"one that just fits":      func(l *deadletter.Letter) { l.AddHeader("huge", huge[:deadletter.HeadMax*3/4-200]) },
	} {
		t.Run(name, func(t *testing.T) {
			l := &deadletter.Letter{Topic: "t", Stage: deadletter.StageStoring, Reason: strings.Repeat("\x01", 1<<20), Key: huge, Value: huge}
			l.AddHeader("small", []byte("x"))
			headers(l)
			_, value, _, err := l.Seal()
			if err != nil {
				t.Fatal(err)
			}
			if len(value) > 600<<10 {
				t.Errorf("a letter of %d bytes", len(value))
			}
			var got deadletter.Letter
			err = json.Unmarshal(value, &got)
			if err != nil {
				t.Fatal(err)
			}
			if got.Bytes != len(huge) || len(got.Value) != deadletter.ValueMax || len(got.Key) != deadletter.HeadMax || len(got.Reason) != deadletter.ReasonMax || string(got.Headers["small"]) != "x" {
				t.Errorf("letter says %d bytes, keeps %d, a key of %d, a reason of %d, %d headers", got.Bytes, len(got.Value), len(got.Key), len(got.Reason), len(got.Headers))
			}
		})
	}
}
