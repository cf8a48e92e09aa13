//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
)

// TestMain ends the binary's one ClickHouse.
func TestMain(m *testing.M) {
	code := m.Run()
	err := olaptest.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// TestLine runs the whole line on Apache Kafka as an operator deploys it: from
// a request to its row, from a stolen token to a cut stream, and through the
// death of the broker under load.
func TestLine(t *testing.T) {
	s := newSite(t, newApacheKafka(t))
	s.open(t)

	somebody := s.somebody()
	status, body := somebody.get("/accounts/1234")
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	row := fmt.Sprintf("SELECT count() FROM db.requests WHERE subject = '%s' AND session = '%s' AND path = '/accounts/1234' AND country = 'CH' AND status = 200",
		somebody.subject(), somebody.session())
	await(t, "the row of a request", func() bool { return s.number(t, row) == 1 })

	owner := s.theft(t)
	receipts := fmt.Sprintf("SELECT count() FROM db.enforcements AS e JOIN db.verdicts AS v ON v.id = e.verdict_id WHERE e.session = '%s' AND e.stream = 'websocket' AND e.event_to_cut_us > 0",
		owner.session())
	await(t, "the enforcement's row", func() bool { return s.number(t, receipts) >= 1 })
	s.ledger.check(t, 101, 200, 401)

	leave := s.browse(t, 1, 50, 2)
	await(t, "load", func() bool { return s.ledger.sent.Load() > 300 })
	open := somebody.watch(t.Context(), t)
	s.kafka.Crash()
	before := s.ledger.sent.Load()
	await(t, "requests without a broker", func() bool { return s.ledger.sent.Load() > before+300 })
	s.kafka.Return(t)
	s.theft(t) // Verdicts go on.
	leave()
	select {
	case err := <-open:
		t.Errorf("a stream that no verdict concerns has ended: %v", err)
	default:
	}
	s.ledger.check(t, 101, 200, 401)
	s.reckon(t)
	if lost := s.number(t, "SELECT sum(n) FROM db.losses"); lost != 0 {
		t.Errorf("%d events were lost, though the queue was never full", lost)
	}
}

// reckon ends the site and compares every book: the clients', ClickHouse's
// rows and losses, and the upstream's.
func (s *site) reckon(t *testing.T) {
	t.Helper()
	sent := int(s.ledger.sent.Load())
	s.settle(t, sent)
	rows := s.number(t, "SELECT count() FROM db.requests WHERE kind = 'request'")
	lost := s.number(t, "SELECT sum(n) FROM db.losses")
	if rows+lost != sent {
		t.Errorf("clients sent %d requests, there are %d rows and %d counted losses", sent, rows, lost)
	}
	for _, key := range []string{"id", "request_id", "(gateway, epoch, lane, seq)", "(kafka_topic, kafka_partition, kafka_offset)"} {
		if n := s.number(t, "SELECT uniqExact("+key+") FROM db.requests WHERE kind = 'request'"); n != rows {
			t.Errorf("%d rows have %d different %s", rows, n, key)
		}
	}
	if n := s.number(t, "SELECT sum(requests) FROM db.requests_1m"); n != rows {
		t.Errorf("%d rows are %d in the table of minutes", rows, n)
	}
	// Nothing failed at the upstream, so it was asked what was permitted, the
	// streams that were cut later, and perhaps pages that were cut on their way.
	if n := s.number(t, "SELECT count() FROM db.requests WHERE decision = 'permit' AND status IN (502, 503, 504)"); n != 0 {
		t.Errorf("%d requests failed at the upstream", n)
	}
	least := s.number(t, "SELECT count() FROM db.requests WHERE kind = 'request' AND (decision = 'permit' OR decision = 'cut' AND stream != '')")
	most := least + s.number(t, "SELECT count() FROM db.requests WHERE kind = 'request' AND decision = 'cut' AND stream = ''")
	if served := int(s.upstream.Total()); served < least || served > most+lost {
		t.Errorf("the upstream served %d requests, rows say %d to %d", served, least, most+lost)
	}
	if n := s.upstream.Open(); n != 0 {
		t.Errorf("%d requests are still open at the upstream", n)
	}
	s.reckonScores(t)
}

// reckonScores checks that each event was scored exactly once, that verdicts
// have one effect each, and that no receipt is there twice.
func (s *site) reckonScores(t *testing.T) {
	t.Helper()
	rows := s.number(t, "SELECT count() FROM db.assessments")
	if n := s.number(t, "SELECT uniqExact(source_topic, source_partition, source_offset) FROM db.assessments"); n != rows {
		t.Errorf("%d rows of assessments are about %d records", rows, n)
	}
	if n := s.number(t, "SELECT uniqExact(event_id) FROM db.assessments"); n != rows {
		t.Errorf("%d rows of assessments are about %d events", rows, n)
	}
	if n := s.number(t, "SELECT count() FROM db.requests WHERE kind = 'request' AND id NOT IN (SELECT event_id FROM db.assessments)"); n != 0 {
		t.Errorf("%d requests were never scored", n)
	}
	twice := "SELECT count() FROM (SELECT id FROM db.verdicts GROUP BY id HAVING uniqExact(action, target_kind, target_id, until, cause_event_id) > 1)"
	if n := s.number(t, twice); n != 0 {
		t.Errorf("%d verdicts say two different things:\n%s", n, s.ask(t, "SELECT id, epoch, seq, action, target_kind, target_id, until FROM db.verdicts ORDER BY id"))
	}
	twice = "SELECT count() FROM (SELECT verdict_id, request_id FROM db.enforcements FINAL GROUP BY verdict_id, request_id HAVING count() > 1)"
	if n := s.number(t, twice); n != 0 {
		t.Errorf("%d requests have two receipts for one verdict", n)
	}
}
