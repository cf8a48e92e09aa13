//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/cmd/internal/topics"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
	"github.com/vigil-gateway/vigil/deploy/devstack/upstream"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// partitions of vigil.requests in these tests.
const partitions = 4

// siteAudience is that of the tokens.
const siteAudience = "accounts.example"

// kafkaServer is a broker that can go away and come back with its data.
type kafkaServer interface {
	Addr() string
	// Crash ends it at once.
	Crash()
	// Return starts it again on the same address.
	Return(t *testing.T)
}

// embeddedKafka is kfake with its data on disk.
type embeddedKafka struct {
	dir string
	*broker.Broker
}

func newEmbeddedKafka(t *testing.T) kafkaServer {
	t.Helper()
	k := &embeddedKafka{dir: t.TempDir()}
	var err error
	k.Broker, err = broker.Start(broker.Options{Dir: k.dir, Partitions: partitions, Topics: []topic.Spec{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func (k *embeddedKafka) Crash() { k.Close() }

func (k *embeddedKafka) Return(t *testing.T) {
	t.Helper()
	var err error
	k.Broker, err = broker.Start(broker.Options{Dir: k.dir, Addr: k.Addr(), Partitions: partitions, Topics: []topic.Spec{}})
	if err != nil {
		t.Fatal(err)
	}
}

// apacheKafka is the real one, as a child process.
type apacheKafka struct{ *broker.Apache }

func newApacheKafka(t *testing.T) kafkaServer {
	t.Helper()
	a, err := broker.NewApache(t.Context(), broker.ApacheOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	k := apacheKafka{a}
	k.Return(t)
	t.Cleanup(a.Kill)
	return k
}

func (k apacheKafka) Crash() { k.Kill() }

func (k apacheKafka) Return(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := k.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
}

// site is one installation as an operator would make it: keys, two
// configuration files, and the two programs, which the test starts.
type site struct {
	dir      string
	keys     keys.Files
	names    event.Names
	kafka    kafkaServer
	database string
	olap     string // Address of the one ClickHouse of this test binary.
	idp      *idp.Provider
	upstream *upstream.Server

	gateway, analyzer *process
	said              <-chan string // The first line of an analyzer that was launched.
	ledger            ledger
	people            int // How many were made, for fresh names and addresses.
}

// newSite prepares an installation on a broker. Neither program runs yet.
func newSite(t *testing.T, kafka kafkaServer) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), kafka: kafka, database: olaptest.Database(t), olap: olaptest.Server(t).Addr()}
	t.Cleanup(func() { s.explain(t) })
	var err error
	s.keys, err = keys.Init(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = keys.AddGateway(s.dir, "gateway-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	secret, err := os.ReadFile(s.keys.TenantKey)
	if err != nil {
		t.Fatal(err)
	}
	s.names, err = event.NewNames(secret)
	if err != nil {
		t.Fatal(err)
	}
	s.idp, err = idp.Start(idp.Options{Audience: siteAudience, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.idp.Close() })
	s.upstream, err = upstream.Start(upstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.upstream.Close() })
	s.write(t, "model.yaml", "version: 1\nname: site\nmode: enforce\n")
	s.write(t, "gateway.yaml", s.gatewayFile())
	s.write(t, "analyzer.yaml", s.analyzerFile())
	return s
}

// makeTopics makes what an operator makes with "vigil topics".
func (s *site) makeTopics(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := topics.Ensure(ctx, topics.Options{Brokers: []string{s.kafka.Addr()}, Specs: topic.All(partitions), Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) gatewayFile() string {
	route := func(id, path, more string) string {
		return fmt.Sprintf("  - {id: %s, path: %q, upstream: %q%s}\n", id, path, s.upstream.URL(), more)
	}
	return fmt.Sprintf(`id: gateway-1
tenant_key_file: secrets/tenant.key
kafka: {brokers: [%q]}
keys: {key_set_file: keys/keys.jws, root_public_file: keys/root.pub.pem}
listen:
  address: 127.0.0.1:0
  proxy_protocol: {trusted: [127.0.0.1]}
  drain_timeout: 5s
admin: {address: "127.0.0.1:0", token_file: secrets/admin-token}
origin:
  networks:
    - {prefix: 198.18.0.0/16, country: CH, asn: 64500, org: Zurich Fibre, latitude: 47.37, longitude: 8.54, accuracy_km: 20}
    - {prefix: 198.19.0.0/16, country: JP, asn: 64501, org: Osaka Cable, latitude: 34.69, longitude: 135.50, accuracy_km: 20}
identity:
  allow_private: true
  issuers:
    - {issuer: %q, jwks_url: %q, audiences: [%q]}
revoke: {dir: gateway-state}
emit: {key_file: keys/gateway-gateway-1.pem}
routes:
`, s.kafka.Addr(), s.idp.Issuer(), s.idp.JWKSURL(), siteAudience) +
		route("home", "/", "") + route("static", "/static/{file}", ", public: true, sensitivity: low") +
		route("me", "/me", "") + route("accounts", "/accounts", "") + route("account", "/accounts/{id}", "") +
		route("live", "/ws", "") + route("feed", "/events", "") + route("report", "/download", "")
}

func (s *site) analyzerFile() string {
	return fmt.Sprintf(`tenant_key_file: secrets/tenant.key
kafka: {brokers: [%q]}
model: {file: model.yaml}
keys: {key_set_file: keys/keys.jws, root_public_file: keys/root.pub.pem}
announce: {key_file: keys/analyzer.pem, kid: analyzer-1}
ingest: {session_timeout: 3s, unsigned: refuse}
state: {dir: analyzer-state, every: 2s}
store:
  addresses: [%q]
  protocol: http
  database: %s
  session_timeout: 3s
  retry_max: 2s
  insert_timeout: 5s
admin: {address: "127.0.0.1:0", token_file: secrets/admin-token}
`, s.kafka.Addr(), s.olap, s.database)
}

// vigil runs the operator's tool and returns what it prints.
func (s *site) vigil(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.tryVigil(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *site) tryVigil(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t, "vigil"), args...)
	cmd.Dir, cmd.Env = s.dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("vigil %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// startGateway runs the gateway and waits until it is ready, or degraded.
func (s *site) startGateway(t *testing.T) {
	t.Helper()
	s.gateway = start(t, s.dir, "vigil-gateway", "--config", filepath.Join(s.dir, "gateway.yaml"))
}

func (s *site) startAnalyzer(t *testing.T) {
	t.Helper()
	s.analyzer = start(t, s.dir, "vigil-analyzer", "--config", filepath.Join(s.dir, "analyzer.yaml"))
}

// open starts both programs on a broker with topics and waits until both are ready.
func (s *site) open(t *testing.T) {
	t.Helper()
	s.makeTopics(t)
	s.vigil(t, "migrate", "up", "--clickhouse", "http://"+s.olap, "--clickhouse-database", s.database)
	s.startAnalyzer(t)
	s.startGateway(t)
	s.awaitReady(t, s.analyzer)
	s.awaitReady(t, s.gateway)
}

func (s *site) awaitReady(t *testing.T, p *process) {
	t.Helper()
	body := ""
	defer func() {
		if t.Failed() {
			t.Logf("%s is not ready: %s", p.name, body)
		}
	}()
	await(t, p.name+" is ready", func() bool {
		status := 0
		status, body = p.ask("/readyz?verbose")
		return status == 200 && strings.Contains(body, `"status":"ready"`)
	})
}

// explain prints the ends of the logs of a test that failed.
func (s *site) explain(t *testing.T) {
	t.Helper()
	if !t.Failed() {
		return
	}
	for _, p := range []*process{s.gateway, s.analyzer} {
		if p != nil {
			t.Log(p.tail())
		}
	}
}

// number asks ClickHouse for one number; -1 where the table is not there yet.
func (s *site) number(t *testing.T, query string) int {
	t.Helper()
	text := strings.TrimSpace(s.ask(t, query))
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %q is no number", query, text)
	}
	return n
}

// ask runs a query on the site's database; TABLE names are written as db.TABLE.
func (s *site) ask(t *testing.T, query string) string {
	t.Helper()
	return olaptest.Exec(t, strings.ReplaceAll(query, "db.", s.database+"."))
}

// settle stops the gateway, waits until the rows and losses that are expected
// have come and nothing more comes, and stops the analyzer: what is in
// ClickHouse now is all there will be.
func (s *site) settle(t *testing.T, requests int) {
	t.Helper()
	s.gateway.stop(t)
	got := 0
	defer func() { t.Logf("%d requests were sent, %d are accounted for", requests, got) }()
	await(t, "a row or a loss for each request", func() bool {
		got = s.accounted(t)
		return got >= requests
	})
	var said struct {
		Lag  int64 `json:"lag"`
		Rows int64 `json:"rows_stored"`
	}
	calm, rows := 0, int64(-1)
	await(t, "nothing more to score and to store", func() bool {
		err := s.analyzer.tell(&said)
		if err != nil || said.Lag > 0 || said.Rows != rows {
			calm, rows = 0, said.Rows
			return false
		}
		calm++ // A cut may be on its way.
		return calm > int(3*time.Second/glance)
	})
	s.analyzer.stop(t)
	got = s.accounted(t)
}

// accounted is how many requests are rows or counted losses.
func (s *site) accounted(t *testing.T) int {
	t.Helper()
	return s.number(t, "SELECT (SELECT count() FROM db.requests WHERE kind = 'request') + (SELECT sum(n) FROM db.losses)")
}
