//go:build e2e

package e2e_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// TestKafkaAbsentAtStart starts both programs without a broker. What is public
// is served at once, the rest by each route's posture after a while; nothing is
// lost once the broker is there.
func TestKafkaAbsentAtStart(t *testing.T) {
	s := newSite(t, newEmbeddedKafka(t))
	s.kafka.Crash()
	s.vigil(t, "migrate", "up", "--clickhouse", "http://"+s.olap, "--clickhouse-database", s.database)
	s.startGateway(t)
	p := s.somebody()
	s.expect(t, p, "/me", http.StatusServiceUnavailable)
	s.expect(t, p, "/static/app.js", http.StatusOK)
	if status, body := s.gateway.ask("/readyz?verbose"); status != http.StatusServiceUnavailable || !strings.Contains(body, `"status":"starting"`) {
		t.Errorf("a gateway that has read no verdicts says %d: %s", status, body)
	}
	await(t, "the route's posture", func() bool {
		status, _ := p.get("/me")
		return status == http.StatusOK
	})
	status, body := s.gateway.ask("/readyz?verbose")
	if status != http.StatusOK || !strings.Contains(body, `"status":"degraded"`) || !strings.Contains(body, "kafka takes no events") {
		t.Errorf("a gateway without Kafka says %d: %s", status, body)
	}
	leave := s.browse(t, 1, 20, 5)
	before := s.ledger.sent.Load()
	await(t, "requests without a broker", func() bool { return s.ledger.sent.Load() > before+300 })

	s.kafka.Return(t)
	s.makeTopics(t)
	s.startAnalyzer(t)
	s.awaitReady(t, s.analyzer)
	s.awaitReady(t, s.gateway)
	s.theft(t)
	leave()
	s.ledger.check(t, http.StatusSwitchingProtocols, http.StatusOK, http.StatusUnauthorized, http.StatusServiceUnavailable)
	s.reckon(t)
	if lost := s.number(t, "SELECT sum(n) FROM db.losses"); lost != 0 {
		t.Errorf("%d events were lost, though the queue was never full", lost)
	}
}

// TestClickHouseHangsAtStart starts an installation whose ClickHouse takes
// connections and never answers. It is ready all the same and verdicts go out;
// the rows come later, tables included.
func TestClickHouseHangsAtStart(t *testing.T) {
	s := newSite(t, newEmbeddedKafka(t))
	s.makeTopics(t)
	const gaveUp = 12 * time.Second // When a statement without an answer is given up: long, so that waiting for it shows.
	s.write(t, "analyzer.yaml", strings.ReplaceAll(s.analyzerFile(), "insert_timeout: 5s", "insert_timeout: "+gaveUp.String()))
	olaptest.Server(t).SetFault(func(*http.Request) olap.Fault { return olap.FaultHang })
	s.startAnalyzer(t)
	s.startGateway(t)
	s.awaitReady(t, s.gateway)
	s.somebody().get("/me") // Something to store, so that ClickHouse is asked for its tables.
	await(t, "ClickHouse is down, says the analyzer", func() bool {
		began := time.Now()
		status, body := s.analyzer.ask("/readyz?verbose")
		if time.Since(began) > gaveUp*2/3 {
			t.Fatal("the analyzer's readiness waits for ClickHouse")
		}
		return status == http.StatusOK && strings.Contains(body, `"clickhouse":"down"`)
	})
	s.theft(t)
	olaptest.Server(t).Resume()
	await(t, "the tables", func() bool {
		return s.number(t, "SELECT count() FROM system.tables WHERE database = '"+s.database+"' AND name IN ('losses', 'verdicts', 'assessments')") == 3
	})
	s.ledger.check(t, http.StatusSwitchingProtocols, http.StatusOK, http.StatusUnauthorized)
	s.reckon(t)
}

// TestForgedVerdicts writes records to vigil.verdicts that nobody may believe.
// None has an effect; each is counted by its reason, and logged once.
func TestForgedVerdicts(t *testing.T) {
	s := newSite(t, newEmbeddedKafka(t))
	s.open(t)
	victim := s.somebody()
	ended := victim.watch(t.Context(), t)
	s.expect(t, victim, "/me", http.StatusOK)

	analyzer := verdict.NewSigner(keys.AnalyzerKid, readKey(t, s.keys.AnalyzerKey))
	_, own, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := seal(t, analyzer, victim, time.Hour)
	forged := map[string][]byte{
		"unsigned":        []byte("this is no verdict"),
		"wrong_signature": seal(t, verdict.NewSigner(keys.AnalyzerKid, own), victim, time.Hour),
		"unknown_key":     seal(t, verdict.NewSigner("stranger", own), victim, time.Hour),
		"wrong_authority": seal(t, verdict.NewSigner(keys.OperatorKid, readKey(t, s.keys.OperatorKey)), victim, time.Hour),
		"expired":         seal(t, analyzer, victim, -time.Minute),
	}
	const copies = 3
	for reason, record := range forged {
		for range copies {
			produce(t, s.kafka, topic.Verdicts, 1, []byte("forged "+reason), record)
		}
	}
	for reason := range forged {
		await(t, "the counter of "+reason, func() bool {
			n, err := strconv.ParseFloat(s.gateway.counter(t, "vigil_revoke_refused", `reason="`+reason+`"`), 64)
			return err == nil && n == copies
		})
		if n := s.gateway.logged(t, "verdict refused", `"reason":"`+reason+`"`); n != 1 {
			t.Errorf("%s is logged %d times, want once", reason, n)
		}
	}
	s.expect(t, victim, "/me", http.StatusOK)
	select {
	case err := <-ended:
		t.Fatalf("a forged verdict has cut a stream: %v", err)
	default:
	}

	produce(t, s.kafka, topic.Verdicts, 1, []byte("honest"), good)
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case err := <-ended:
		var closed websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != websocket.StatusPolicyViolation {
			t.Errorf("the stream ended with %v", err)
		}
	case <-deadline.C:
		t.Error("an honest verdict has no effect")
	}
	s.expect(t, victim, "/me", http.StatusUnauthorized)
}

// TestPoison writes garbage into every partition of vigil.requests. It goes to
// vigil.dead with its place and what is wrong; what comes after it is scored.
func TestPoison(t *testing.T) {
	s := newSite(t, newEmbeddedKafka(t))
	s.open(t)
	leave := s.browse(t, 1, 20, 5)
	await(t, "load", func() bool { return s.ledger.sent.Load() > 200 })
	poison := []byte("\xff\xff this is no event")
	for partition := range partitions {
		produce(t, s.kafka, topic.Requests, partition, []byte("poison"), poison)
	}
	before := s.ledger.sent.Load()
	await(t, "load after the poison", func() bool { return s.ledger.sent.Load() > before+200 })
	s.theft(t)
	leave()
	s.ledger.check(t, http.StatusSwitchingProtocols, http.StatusOK, http.StatusUnauthorized)
	s.reckon(t)

	places := make(map[string]bool) // Each is in the dead letters twice, for two readers follow the topic.
	for _, r := range consume(t, s.kafka, topic.Dead, 0) {
		var l deadletter.Letter
		err := json.Unmarshal(r.value, &l)
		if err != nil || l.Topic != topic.Requests || l.Offset == 0 || l.Reason == "" || string(l.Value) != string(poison) {
			t.Errorf("a dead letter says %+v, error %v", l, err)
		}
		places[l.Stage+" "+strconv.Itoa(l.Partition)] = true
	}
	if len(places) != 2*partitions {
		t.Errorf("poison is in %s for %d readers of partitions, want %d", topic.Dead, len(places), 2*partitions)
	}
}

// seal returns a signed revoke of a person's session that holds for so long.
func seal(t *testing.T, by verdict.Signer, p *person, lasts time.Duration) []byte {
	t.Helper()
	now := time.Now()
	b, err := by.Verdict(&verdict.Verdict{
		Id: uuid.NewString(), Time: timestamppb.New(now), Epoch: 1 << 40, Seq: 1, Authority: "subject", Tenant: "default",
		Target: &verdict.Target{Kind: "session", Id: p.session()}, Action: verdict.ActionRevoke, Until: timestamppb.New(now.Add(lasts)),
		Origin: "model", Subject: p.subject(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readKey(t *testing.T, file string) ed25519.PrivateKey {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(ed25519.PrivateKey)
}

// kafkaClient talks to a broker until the test ends.
func kafkaClient(t *testing.T, k kafkaServer) *kafka.Client {
	t.Helper()
	transport := &kafka.Transport{ClientID: "vigil-e2e"}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(k.Addr()), Transport: transport, Timeout: patience}
}

// produce writes one record.
func produce(t *testing.T, k kafkaServer, name string, partition int, key, value []byte) {
	t.Helper()
	resp, err := kafkaClient(t, k).Produce(t.Context(), &kafka.ProduceRequest{
		Topic: name, Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Key: kafka.NewBytes(key), Value: kafka.NewBytes(value)}),
	})
	if err == nil {
		err = resp.Error
	}
	if err != nil {
		t.Fatal(err)
	}
}

// found is one record of a topic.
type found struct {
	value   []byte
	headers map[string]string
}

// consume reads a partition to its end.
func consume(t *testing.T, k kafkaServer, name string, partition int) []found {
	t.Helper()
	var all []found
	client := kafkaClient(t, k)
	for offset, end := int64(0), int64(1); offset < end; {
		resp, err := client.Fetch(t.Context(), &kafka.FetchRequest{
			Topic: name, Partition: partition, Offset: offset, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second,
		})
		if err == nil {
			err = resp.Error
		}
		if err != nil {
			t.Fatal(err)
		}
		end = resp.HighWatermark
		for {
			r, err := resp.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			value, err := kafka.ReadAll(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			one := found{value, make(map[string]string)}
			for _, h := range r.Headers {
				one.headers[h.Key] = string(h.Value)
			}
			all = append(all, one)
			offset = r.Offset + 1
		}
	}
	return all
}
