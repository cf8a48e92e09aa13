//go:build e2e

package e2e_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestThrottledByApacheKafka gives the gateway a quota of bytes that it may write, below
// what the load needs. What cannot go out waits, no request does, a thief is cut all the
// same, and once the quota is gone nothing waits any more and nothing was lost.
func TestThrottledByApacheKafka(t *testing.T) {
	seed := seedOf(t)
	s := newSite(t, newApacheKafka(t))
	s.open(t)
	leave := s.browse(t, seed, 100, 4)
	await(t, "load", func() bool { return s.ledger.sent.Load() > 500 })
	waits := func() int {
		n, err := strconv.Atoi(s.gateway.counter(t, "vigil_emit_depth", `topic="vigil.requests"`))
		if err != nil {
			t.Fatalf("vigil_emit_depth: %v", err)
		}
		return n
	}
	const (
		client, key = "vigil-gateway-gateway-1", "producer_byte_rate"
		rate        = 40 << 10 // Bytes a second, about half of the load.
		backlog     = 400      // Records, about a second of load.
	)
	before := waits()
	s.limit(t, client, kafka.AlterClientQuotaOps{Key: key, Value: rate})
	began, most := time.Now(), 0
	await(t, "a backlog", func() bool {
		most = max(most, waits())
		return most > backlog
	})
	behind, sent := time.Since(began), s.ledger.sent.Load()
	s.theft(t)
	cut := time.Since(began) - behind
	most = max(most, waits())
	if s.ledger.sent.Load() < sent+100 {
		t.Errorf("%d requests while the thief was looked for: somebody waits", s.ledger.sent.Load()-sent)
	}
	s.limit(t, client, kafka.AlterClientQuotaOps{Key: key, Remove: true})
	began = time.Now()
	await(t, "no backlog without the quota", func() bool { return waits() < backlog/4 })
	t.Logf("%d records waited before the quota, more than %d after %v, %d after a theft that was cut in %v; none %v after its end",
		before, backlog, behind.Round(time.Millisecond), most, cut.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	leave()
	s.ledger.check(t, http.StatusSwitchingProtocols, http.StatusOK, http.StatusUnauthorized)
	s.reckon(t)
	if lost := s.number(t, "SELECT sum(n) FROM db.losses"); lost != 0 {
		t.Errorf("%d events were lost to a quota", lost)
	}
}

// limit changes what a client may do at the broker.
func (s *site) limit(t *testing.T, client string, op kafka.AlterClientQuotaOps) {
	t.Helper()
	resp, err := kafkaClient(t, s.kafka).AlterClientQuotas(t.Context(), &kafka.AlterClientQuotasRequest{Entries: []kafka.AlterClientQuotaEntry{{
		Entities: []kafka.AlterClientQuotaEntity{{EntityType: "client-id", EntityName: client}}, Ops: []kafka.AlterClientQuotaOps{op},
	}}})
	if err == nil {
		err = resp.Entries[0].Error
	}
	if err != nil {
		t.Fatalf("quota of %s: %v", client, err)
	}
}
