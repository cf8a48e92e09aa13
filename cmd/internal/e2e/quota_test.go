//go:build e2e

package e2e_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestThrottledByApacheKafka gives the gateway a quota of bytes that it may write, and
// then the analyzer one of bytes that it may read, each below what the load needs.
// What cannot go out waits where it is, a thief is cut all the same, and once the
// quota is gone nothing waits any more and nothing was lost.
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
	lags := func() int {
		var said struct {
			Lag int `json:"lag"`
		}
		err := s.analyzer.tell(&said)
		if err != nil {
			t.Fatal(err)
		}
		return said.Lag
	}
	for _, quota := range []struct {
		client, key string
		bytes       float64 // A second.
		backlog     func() int
	}{
		{"vigil-gateway-gateway-1", "producer_byte_rate", 40 << 10, waits},
		{"vigil-analyzer", "consumer_byte_rate", 40 << 10, lags},
	} {
		before := quota.backlog()
		s.limit(t, quota.client, kafka.AlterClientQuotaOps{Key: quota.key, Value: quota.bytes})
		const backlog = 400 // A second of load.
		began := time.Now()
		most := 0
		await(t, "a backlog by "+quota.key, func() bool {
			most = max(most, quota.backlog())
			return most > backlog
		})
		behind := time.Since(began)
		sent := s.ledger.sent.Load()
		s.theft(t)
		cut := time.Since(began) - behind
		most = max(most, quota.backlog())
		if s.ledger.sent.Load() < sent+100 {
			t.Errorf("%s: %d requests while the thief was looked for: somebody waits", quota.key, s.ledger.sent.Load()-sent)
		}
		s.limit(t, quota.client, kafka.AlterClientQuotaOps{Key: quota.key, Remove: true})
		began = time.Now()
		await(t, "no backlog after "+quota.key, func() bool { return quota.backlog() < backlog/4 })
		t.Logf("%s of %s: %d waited before it, more than %d after %v, %d after a theft that was cut in %v; none %v after its end",
			quota.key, quota.client, before, backlog, behind.Round(time.Millisecond), most, cut.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	}
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
