//go:build e2e

package e2e_test

import (
	"net/http"
	"strconv"
	"strings"
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

// TestReadingThrottledByApacheKafka gives the analyzer a quota of bytes that it may read,
// below what the load needs. Scoring and storing lag, which is seen, and nothing else
// happens: no request waits, the members keep their partitions, heartbeats go on, and no
// answer of the broker is taken for a fault. Once the quota is gone nothing lags, a thief
// is cut, and nothing was lost.
func TestReadingThrottledByApacheKafka(t *testing.T) {
	seed := seedOf(t)
	s := newSite(t, newApacheKafka(t))
	s.open(t)
	leave := s.browse(t, seed, 100, 4)
	await(t, "load", func() bool { return s.ledger.sent.Load() > 500 })
	const (
		key     = "consumer_byte_rate"
		rate    = 20 << 10 // Bytes a second, about a quarter of the load.
		backlog = 800      // Records, about two seconds of load.
	)
	sum := func(name, label string) float64 { return s.analyzer.sum(t, "vigil_analyzer_"+name, label) }
	quiet := func() [2]float64 {
		return [2]float64{sum("partitions_begun", ""), sum("ingest_errors", `stage="fetch"`)}
	}
	before := quiet()
	for _, client := range []string{"vigil-analyzer", "vigil-storing"} {
		s.limit(t, client, kafka.AlterClientQuotaOps{Key: key, Value: rate})
	}
	began := time.Now()
	await(t, "scoring and storing lag", func() bool {
		return sum("lag", `topic="vigil.requests"`) > backlog && sum("storing_lag", `topic="vigil.requests"`) > backlog
	})
	behind, sent, beats := time.Since(began), s.ledger.sent.Load(), sum("heartbeats", "")
	await(t, "heartbeats", func() bool { return sum("heartbeats", "") > beats+30 })
	await(t, "reading that is held back", func() bool { return sum("fetch_throttled", `topic="vigil.requests"`) > 1 })
	await(t, "requests", func() bool { return s.ledger.sent.Load() > sent+100 })
	if after := quiet(); after != before {
		t.Errorf("partitions begun and faults of reading were %v and are %v", before, after)
	}
	most, waited := sum("lag", `topic="vigil.requests"`), sum("fetch_throttled", "")
	for _, client := range []string{"vigil-analyzer", "vigil-storing"} {
		s.limit(t, client, kafka.AlterClientQuotaOps{Key: key, Remove: true})
	}
	began = time.Now()
	await(t, "no lag without the quota", func() bool { return sum("lag", `topic="vigil.requests"`) < backlog/4 })
	t.Logf("more than %d records lagged after %v, %.0f in the end, reads waited %.1f s in all; none lags %v after its end",
		backlog, behind.Round(time.Millisecond), most, waited, time.Since(began).Round(time.Millisecond))
	s.theft(t)
	leave()
	s.ledger.check(t, http.StatusSwitchingProtocols, http.StatusOK, http.StatusUnauthorized)
	s.reckon(t)
	s.reckonScores(t)
	if lost := s.number(t, "SELECT sum(n) FROM db.losses"); lost != 0 {
		t.Errorf("%d events were lost to a quota", lost)
	}
}

// sum adds up the series of a metric that have a label; 0 for none.
func (p *process) sum(t *testing.T, name, label string) float64 {
	t.Helper()
	status, body := p.ask("/metrics")
	if status != http.StatusOK {
		t.Fatalf("%s: metrics: status %d: %s", p.name, status, body)
	}
	sum := 0.0
	for line := range strings.Lines(body) {
		if !strings.HasPrefix(line, name) || !strings.Contains(line, label) {
			continue
		}
		fields := strings.Fields(line)
		n, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			t.Fatalf("%s: %q: %v", p.name, line, err)
		}
		sum += n
	}
	return sum
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
