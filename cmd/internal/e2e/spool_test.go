//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/vigil-gateway/vigil/analyzer/verify"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/cmd/internal/topics"
	"github.com/vigil-gateway/vigil/deploy/devstack/freeport"
	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/keyfile"
	sealing "github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// spoolKills is how often TestKillGatewayLosesNoEvent kills it; VIGIL_KILLS sets
// another number.
const spoolKills = 10

// bench is a gateway between a client and an upstream that keep books, without an
// analyzer.
type gatewayBench struct {
	dir     string
	kafka   kafkaServer
	books   books
	address string
	gateway *process
}

func newBench(t *testing.T) *gatewayBench {
	t.Helper()
	b := &gatewayBench{dir: t.TempDir(), kafka: newEmbeddedKafka(t)}
	b.books = newBooks()
	_, err := keys.Init(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = keys.AddGateway(b.dir, "gateway-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	_, err = topics.Ensure(t.Context(), topics.Options{Brokers: []string{b.kafka.Addr()}, Specs: topic.All(partitions), Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := idp.Start(idp.Options{Audience: siteAudience, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Close() })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.books.serve(r.Header.Get("X-Request-Id"), r.URL.Path)
		_, _ = io.WriteString(w, "served\n")
	}))
	t.Cleanup(server.Close)
	b.address, err = freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(filepath.Join(b.dir, "gateway.yaml"), fmt.Appendf(nil, `id: gateway-1
tenant_key_file: secrets/tenant.key
kafka: {brokers: [%q]}
keys: {key_set_file: keys/keys.jws, root_public_file: keys/root.pub.pem}
listen: {address: %q}
admin: {address: "127.0.0.1:0"}
emit: {drain: 30s, key_file: keys/gateway-gateway-1.pem, spool: {segment_bytes: 512KiB, bytes_max: 64MiB}}
identity:
  allow_private: true
  issuers: [{issuer: %q, jwks_url: %q, audiences: [%q]}]
revoke: {dir: gateway-state}
routes:
  - {id: page, path: "/page/{id}", upstream: %q, public: true}
  - {id: strict, path: "/strict/{id}", upstream: %q, public: true, durability: strict}
  - {id: inside, path: "/inside", upstream: %q}
`, b.kafka.Addr(), b.address, provider.Issuer(), provider.JWKSURL(), siteAudience, server.URL, server.URL, server.URL), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *gatewayBench) start(t *testing.T) {
	t.Helper()
	b.gateway = start(t, b.dir, "vigil-gateway", "--config", filepath.Join(b.dir, "gateway.yaml"))
	b.books.examine(t, b.gateway)
}

// load sends requests from n clients until ctx ends.
func (b *gatewayBench) load(ctx context.Context, n int) (wait func()) {
	var crowd sync.WaitGroup
	for worker := range n {
		crowd.Go(func() {
			c := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
			defer c.CloseIdleConnections()
			for i := 0; ctx.Err() == nil; i++ {
				path := fmt.Sprintf("/page/%d", i)
				switch {
				case worker == 0:
					path = fmt.Sprintf("/strict/%d", i)
				case i%7 == 0:
					path = "/inside" // Refused: nobody has a token.
				}
				b.books.note(ctx, c, "http://"+b.address, path)
			}
		})
	}
	return crowd.Wait
}

// note asks for a page and writes down what becomes of it. A request is not broken
// off when the load ends, else nobody would know whether it was answered.
func (b *books) note(ctx context.Context, c *http.Client, url, path string) {
	resp, err := c.Get(url + path)
	id := ""
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		id = resp.Header.Get("X-Request-Id")
	}
	b.answer(id, path, err)
	if err != nil {
		pause := time.NewTimer(5 * time.Millisecond)
		defer pause.Stop()
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// account is what the topic says of requests.
type account struct {
	rows       map[string]int // Terminal events by id.
	unfinished int            // Of them, those whose gateway died before their end.
	covered    map[string]uint64
	missing    uint64
	duplicates int
	epochs     map[uint64]bool
	closed     map[uint64]bool
}

// read reads the topic to its end, as the analyzer does.
func (b *gatewayBench) read(t *testing.T) account {
	t.Helper()
	a := account{rows: make(map[string]int), covered: make(map[string]uint64), epochs: make(map[uint64]bool), closed: make(map[uint64]bool)}
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(b.kafka.Addr()), Transport: tr, Timeout: patience}
	var at event.Positions
	for p := range partitions {
		for offset, end := int64(0), int64(1); offset < end; {
			res, err := c.Fetch(t.Context(), &kafka.FetchRequest{Topic: topic.Requests, Partition: p, Offset: offset, MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 10 * time.Millisecond})
			if err != nil || res.Error != nil {
				t.Fatalf("fetch: %v, %v", err, res)
			}
			for end = res.HighWatermark; ; {
				r, err := res.Records.ReadRecord()
				if err != nil {
					break
				}
				if r.Offset < offset {
					continue
				}
				offset = r.Offset + 1
				value, err := kafka.ReadAll(r.Value)
				if err != nil {
					t.Fatal(err)
				}
				a.add(t, &at, value)
			}
		}
	}
	return a
}

func (a *account) add(t *testing.T, at *event.Positions, value []byte) {
	t.Helper()
	e := new(event.RequestEvent)
	err := event.Decode(value, e)
	if err != nil {
		t.Fatal(err)
	}
	a.epochs[e.Epoch] = true
	last := max(e.Seq, e.SeqEnd)
	lane := event.Lane{Gateway: e.Gateway, Epoch: e.Epoch, Lane: e.Lane}
	before := at.Last(lane)
	duplicate, missing := at.Observe(lane, e.Seq, last)
	a.missing += missing
	switch {
	case duplicate:
		a.duplicates++
	case e.Kind == event.KindTombstone:
		a.covered[e.Reason] += last - max(e.Seq-1, before)
	case e.Kind == event.KindTick:
		a.closed[e.Epoch] = a.closed[e.Epoch] || e.Reason == event.ReasonEpochClosed
	case e.Terminal():
		a.rows[e.RequestId]++
		if e.Reason == "gateway_ended" {
			a.unfinished++
		}
	}
}

// TestKillGatewayLosesNoEvent kills the gateway at random instants of load, also
// while it still starts, and compares three books: what the client was answered,
// what the upstream served, and the events. Kafka is away for part of it.
func TestKillGatewayLosesNoEvent(t *testing.T) {
	n := spoolKills
	if text := os.Getenv("VIGIL_KILLS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		if err != nil {
			t.Fatalf("VIGIL_KILLS: %v", err)
		}
	}
	random := rand.New(rand.NewPCG(seedOf(t), 0))
	b := newBench(t)
	b.start(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	wait := b.load(ctx, 12)
	for i := range n {
		instant := time.NewTimer(time.Duration(random.Int64N(int64(700 * time.Millisecond))))
		<-instant.C
		b.gateway.kill()
		if i%5 == 3 {
			b.kafka.Crash()
		}
		if random.IntN(4) == 0 { // Once more, before it has said anything.
			p, _ := launch(t, b.dir, "vigil-gateway", "--config", filepath.Join(b.dir, "gateway.yaml"))
			instant := time.NewTimer(time.Duration(random.Int64N(int64(100 * time.Millisecond))))
			<-instant.C
			p.kill()
		}
		b.start(t)
		if i%5 == 3 {
			b.kafka.Return(t)
		}
	}
	stop()
	wait()
	b.gateway.stop(t)
	a := b.read(t)
	t.Logf("%d kills, %d epochs, %d closed", n, len(a.epochs), len(a.closed))
	balance := sheet{books: &b.books, rows: a.rows, unfinished: a.unfinished, losses: a.covered, missing: a.missing, copies: a.duplicates}
	balance.check(t)
	if a.unfinished == 0 && n >= spoolKills {
		t.Error("no request was under way when the gateway was killed: the test has seen nothing")
	}
	if len(a.closed) < len(a.epochs) { // Each by the next, and the last, which was stopped on purpose, by itself.
		t.Errorf("%d of %d ended epochs are closed", len(a.closed), len(a.epochs))
	}
	for folder, want := range map[string]int{"spool": 2, "spool/enforcements": 1} { // The lock, and the folder of enforcements.
		left, err := filepath.Glob(filepath.Join(b.dir, "gateway-state", folder, "*"))
		if err != nil || len(left) != want || filepath.Base(left[want-1]) != "lock" {
			t.Errorf("%s has %v, %v, want its lock alone", folder, left, err)
		}
	}
	b.prove(t)
}

// prove verifies the chains of all that the gateway has written in all of its lives.
func (b *gatewayBench) prove(t *testing.T) {
	t.Helper()
	p := keys.In(b.dir)
	set, err := keyfile.KeySet(p.RootPublic, p.KeySet)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Run(t.Context(), verify.Options{Brokers: []string{b.kafka.Addr()}, Keys: set, Unsigned: sealing.Refuse})
	if err != nil {
		t.Fatal(err)
	}
	var batches, repeated uint64
	for _, l := range r.Lives {
		batches += l.Batches
		repeated += l.Repeated
	}
	t.Logf("%d records in %d sealed batches, %d of them there twice", r.Records, batches, repeated)
	if !r.Sound || batches == 0 {
		t.Errorf("the chains are not sound: %+v", r)
	}
}

func union(sets ...map[string]bool) map[string]bool {
	all := make(map[string]bool)
	for _, set := range sets {
		for id := range set {
			all[id] = true
		}
	}
	return all
}

// TestRowsOutliveAKillOfTheGateway kills the gateway under load, and looks for what
// clients were answered in ClickHouse: each once, by way of the spool, the topic and
// the analyzer.
func TestRowsOutliveAKillOfTheGateway(t *testing.T) {
	seed := seedOf(t)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newSite(t, newEmbeddedKafka(t))
	s.open(t)
	for i := range 3 {
		leave := s.browse(t, seed+uint64(i), 40, 10)
		instant := time.NewTimer(time.Second + time.Duration(random.Int64N(int64(time.Second))))
		<-instant.C
		s.gateway.kill()
		leave()
		s.startGateway(t)
		s.awaitReady(t, s.gateway)
	}
	s.ledger.mu.Lock()
	answered := 0
	for _, n := range s.ledger.statuses {
		answered += n
	}
	s.ledger.mu.Unlock()
	s.settle(t, answered)
	sent, accounted := int(s.ledger.sent.Load()), s.accounted(t)
	rows, ids := s.number(t, "SELECT count() FROM db.requests"), s.number(t, "SELECT uniqExact(id) FROM db.requests")
	t.Logf("%d requests were sent, %d answered, %d are accounted for, %d of them without their end: %s", sent, answered, accounted,
		s.number(t, "SELECT count() FROM db.requests WHERE reason = 'gateway_ended'"), s.ask(t, "SELECT reason, sum(n) FROM db.losses GROUP BY reason FORMAT TSV"))
	if accounted < answered || accounted > sent {
		t.Errorf("%d requests are accounted for, %d were answered and %d sent", accounted, answered, sent)
	}
	if rows != ids {
		t.Errorf("%d rows have %d ids", rows, ids)
	}
	if n := s.number(t, "SELECT uniqExact(lane) FROM db.gateway_epochs WHERE ended = 'closed' AND epoch = (SELECT max(epoch) FROM db.requests)"); n != topic.LanesDefault {
		t.Errorf("%d of %d lanes of the life that was stopped on purpose are stored as closed", n, topic.LanesDefault)
	}
}
