package announce

import (
	"strconv"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/schemas/topic"
)

// TestTheLedgerIsBounded offers more than is read, and lets one give way.
func TestTheLedgerIsBounded(t *testing.T) {
	l := ledger{records: make(map[string][]byte)}
	offer := func(id string, value []byte) {
		l.take(kafka.Message{Key: topic.ControlKey("t", kindHeld, id), Value: value})
	}
	for i := range ledgerMax + 3 {
		offer(strconv.Itoa(i), []byte("x"))
	}
	offer("0", []byte("again"))
	l.take(kafka.Message{Key: topic.ControlKey("t", "epoch", "1"), Value: []byte("another's")})
	l.take(kafka.Message{Key: []byte("no key of this topic"), Value: []byte("x")})
	if len(l.records) != ledgerMax || l.refused != 3 {
		t.Errorf("%d records and %d refused, want %d and 3", len(l.records), l.refused, ledgerMax)
	}
	offer("0", nil)
	offer("new", []byte("x"))
	if len(l.records) != ledgerMax || l.refused != 3 {
		t.Errorf("%d records and %d refused after one has gone, want %d and 3", len(l.records), l.refused, ledgerMax)
	}
}
