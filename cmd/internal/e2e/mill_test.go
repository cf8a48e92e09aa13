//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// mill is an installation under load whose programs come and go: the gateway is always
// at the same address, and client and upstream keep books by request ids.
type mill struct {
	*site

	books    books
	url      string
	launched bool // The analyzer was, and nobody has waited for it.
}

// millSpool is how large the gateway's spool may grow.
const millSpool = 64 << 20

// newMill prepares an installation on Apache Kafka and starts it.
func newMill(t *testing.T) *mill {
	t.Helper()
	m := &mill{site: newSite(t, newApacheKafka(t))}
	m.books = newBooks()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.books.serve(r.Header.Get("X-Request-Id"), r.URL.Path)
		_, _ = io.WriteString(w, "served\n")
	}))
	t.Cleanup(server.Close)
	address, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	m.url = "http://" + address
	file := strings.Replace(m.gatewayFile(), "  address: 127.0.0.1:0\n", "  address: "+address+"\n", 1)
	for _, path := range []string{"/me", "/accounts", "/accounts/{id}"} { // The others have streams.
		file = strings.Replace(file, fmt.Sprintf("path: %q, upstream: %q", path, m.upstream.URL()), fmt.Sprintf("path: %q, upstream: %q", path, server.URL), 1)
	}
	file = strings.Replace(file, "emit: {", fmt.Sprintf("emit: {drain: 30s, spool: {segment_bytes: 512KiB, bytes_max: %d}, ", millSpool), 1)
	file += fmt.Sprintf("  - {id: strict, path: \"/strict/{id}\", upstream: %q, durability: strict}\n", server.URL)
	m.write(t, "gateway.yaml", file)
	// Without epochs that come into force meanwhile: an engine beside the topic has none.
	m.write(t, "analyzer.yaml", m.analyzerFile()+"epochs: {promotion: manual}\n")
	m.open(t)
	return m
}

// load has n people ask for pages as fast as they get them, with a breath in between,
// until ctx ends.
func (m *mill) load(ctx context.Context, seed uint64, n int) (wait func()) {
	var crowd sync.WaitGroup
	for i := range n {
		p, r := m.somebody(), rand.New(rand.NewPCG(seed, uint64(i)))
		p.http.Timeout = 15 * time.Second
		own := strconv.Itoa(1000 + r.IntN(8000))
		crowd.Go(func() {
			defer p.http.CloseIdleConnections()
			for ctx.Err() == nil {
				m.fetch(p, []string{"/me", "/accounts", "/accounts/" + own, "/strict/" + own}[r.IntN(4)])
				breath := time.NewTimer(time.Duration(10+r.IntN(40)) * time.Millisecond)
				select {
				case <-ctx.Done():
				case <-breath.C:
				}
				breath.Stop()
			}
		})
	}
	return crowd.Wait
}

// fetch asks for a page and writes down what becomes of it.
func (m *mill) fetch(p *person, path string) {
	req, err := http.NewRequest(http.MethodGet, m.url+path, nil)
	if err != nil {
		panic(err) // The paths are our own.
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("User-Agent", p.agent)
	resp, err := p.http.Do(req)
	id := ""
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		id = resp.Header.Get("X-Request-Id")
	}
	m.books.answer(id, path, err)
}

// relaunch starts the analyzer and does not wait for it.
func (m *mill) relaunch(t *testing.T) {
	t.Helper()
	m.launchAnalyzer(t)
	m.launched = true
}

// ready waits until both programs say that all is well.
func (m *mill) ready(t *testing.T) {
	t.Helper()
	if m.launched {
		m.awaitLaunched(t)
		m.launched = false
	}
	m.awaitReady(t, m.analyzer)
	m.awaitReady(t, m.gateway)
}

// balance stops both programs and compares the books: those of the clients and of the
// upstream, the rows and losses in ClickHouse, and what an engine says of the topic
// that has read it in one life.
func (m *mill) balance(t *testing.T) {
	t.Helper()
	m.settle(t, len(m.books.answered))
	balance := sheet{
		books: &m.books, copies: uncounted, rows: make(map[string]int), losses: make(map[string]uint64), others: int(m.ledger.sent.Load()), // The stories of theft are in the other ledger.
		unfinished: m.number(t, "SELECT count() FROM db.requests WHERE kind = 'request' AND reason = 'gateway_ended'"),
	}
	for id := range strings.FieldsSeq(m.ask(t, "SELECT request_id FROM db.requests WHERE kind = 'request' FORMAT TSV")) {
		balance.rows[id]++
	}
	for line := range strings.Lines(m.ask(t, "SELECT reason, sum(n) FROM db.losses GROUP BY reason FORMAT TSV")) {
		cause, n, _ := strings.Cut(strings.TrimSpace(line), "\t")
		count, err := strconv.ParseUint(n, 10, 64)
		if err != nil {
			t.Fatalf("losses: %q: %v", line, err)
		}
		balance.losses[cause] = count
	}
	balance.check(t)
	rows := balance.rows
	for _, key := range []string{"id", "(gateway, epoch, lane, seq)", "(kafka_topic, kafka_partition, kafka_offset)"} {
		if n := m.number(t, "SELECT uniqExact("+key+") FROM db.requests WHERE kind = 'request'"); n != len(rows) {
			t.Errorf("%d rows have %d different %s", len(rows), n, key)
		}
	}
	m.reckonScores(t)
	m.consult(t)
}

// consult compares what the analyzer's lives said of every record with what an engine
// says that has read the topic in one life: the same bytes, or state was lost.
func (m *mill) consult(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.dir, "model.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := model.Parse("model.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	asked, differ, repeated, shown, kinds := 0, 0, 0, make(map[int]bool), make(map[string]int)
	for p := range partitions {
		got := make(map[int64][]byte)
		for _, value := range m.records(t, topic.Assessments, p) {
			b, err := assessment.Decode(value)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range b.Assessments {
				value, err := a.MarshalVT()
				if err != nil {
					t.Fatal(err)
				}
				if old, seen := got[a.Offset]; seen {
					repeated++
					if !bytes.Equal(old, value) {
						t.Errorf("partition %d, offset %d is assessed in two ways", p, a.Offset)
					}
				}
				got[a.Offset] = value
			}
		}
		engine, err := scorer.New(scorer.Options{Model: rules})
		if err != nil {
			t.Fatal(err)
		}
		requests := m.records(t, topic.Requests, p)
		for _, offset := range slices.Sorted(maps.Keys(requests)) {
			ev := new(event.RequestEvent)
			err := event.Decode(requests[offset], ev)
			if err != nil {
				t.Fatal(err)
			}
			res := engine.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Partition: int32(p), Offset: offset})
			if res.Assessment == nil {
				continue
			}
			want, err := res.Assessment.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			asked++
			kinds[strings.TrimSpace(ev.Kind+" "+ev.Phase)]++
			if bytes.Equal(want, got[offset]) {
				continue
			}
			if differ++; !shown[p] { // What comes after the first follows from it.
				shown[p] = true
				t.Logf("partition %d differs from offset %d on:\n%s", p, offset, contrast(t, want, got[offset]))
			}
		}
	}
	t.Logf("%d records assessed (%v: what opens a stream is assessed and is no row), %d of them repeatedly; %d differ from an engine that never stopped", asked, kinds, repeated, differ)
	if differ > 0 || asked == 0 {
		t.Errorf("%d of %d assessments differ from those of an engine that never stopped", differ, asked)
	}
}

// contrast shows how two assessments differ.
func contrast(t *testing.T, want, got []byte) string {
	t.Helper()
	var both [2]assessment.Assessment
	for i, b := range [][]byte{want, got} {
		err := both[i].UnmarshalVT(b)
		if err != nil {
			t.Fatal(err)
		}
	}
	return cmp.Diff(&both[0], &both[1], protocmp.Transform())
}

// records are the values of a partition by their offsets.
func (m *mill) records(t *testing.T, name string, partition int) map[int64][]byte {
	t.Helper()
	all := make(map[int64][]byte)
	client := kafkaClient(t, m.kafka)
	for offset, end := int64(0), int64(1); offset < end; {
		res, err := client.Fetch(t.Context(), &kafka.FetchRequest{
			Topic: name, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 10 * time.Millisecond,
		})
		if err != nil || res.Error != nil {
			t.Fatalf("fetch %s/%d at %d: %v, %v", name, partition, offset, err, res)
		}
		for end = res.HighWatermark; ; {
			r, err := res.Records.ReadRecord()
			if err != nil {
				break // The end of the answer, or of what of a batch was in it.
			}
			if r.Offset < offset {
				continue
			}
			offset = r.Offset + 1
			all[r.Offset], err = kafka.ReadAll(r.Value)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}
