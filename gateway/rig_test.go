package gateway_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/gateway"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// TestMain sees that no test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience   = 30 * time.Second
	adminToken = "a-token-for-tests-only"
)

// rig is a gateway between a real Kafka, a real provider and a real upstream.
type rig struct {
	config   gateway.Config
	tracer   trace.Tracer
	log      slog.Handler
	clock    func() time.Time
	broker   *broker.Broker
	provider *idp.Provider
	names    event.Names
	operator verdict.Signer
	analyzer verdict.Signer
	seq      uint64

	bound   net.Listener // For the next gateway, nil where it opens its own.
	gateway *gateway.Gateway
	stop    func() error
}

// newRig has everything but a gateway that runs.
func newRig(t *testing.T, upstream http.HandlerFunc) *rig {
	t.Helper()
	dir := t.TempDir()
	g := &rig{tracer: tracenoop.Tracer{}, log: slog.DiscardHandler, clock: time.Now}
	var err error
	g.broker, err = broker.Start(broker.Options{Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.broker.Close)
	g.provider, err = idp.Start(idp.Options{Audience: "app", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.provider.Close() })
	server := httptest.NewServer(upstream)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})

	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		err := os.WriteFile(path, b, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	tenantKey := bytes.Repeat([]byte("k"), 32)
	g.names, err = event.NewNames(tenantKey)
	if err != nil {
		t.Fatal(err)
	}
	rootPublic, root, _ := ed25519.GenerateKey(rand.Reader)
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	g.operator = verdict.NewSigner("op", private)
	analyzerPublic, analyzerPrivate, _ := ed25519.GenerateKey(rand.Reader)
	g.analyzer = verdict.NewSigner("an", analyzerPrivate)
	keySet, err := verdict.SignKeySet(root, []verdict.Key{
		{ID: "op", Class: verdict.ClassOperator, Public: public}, {ID: "an", Class: verdict.ClassAnalyzer, Public: analyzerPublic},
	})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(rootPublic)
	if err != nil {
		t.Fatal(err)
	}

	c := gateway.DefaultConfig()
	c.ID, c.Region = "gw-test", "eu"
	c.TenantKeyFile = write("tenant.key", tenantKey)
	c.Keys.KeySetFile = write("keys.jws", keySet)
	c.Keys.RootPublicFile = write("root.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	c.Admin.TokenFile = write("admin.token", []byte(adminToken+"\n"))
	c.Kafka.Brokers = []string{g.broker.Addr()}
	c.Listen.Address, c.Revoke.Dir = "127.0.0.1:0", filepath.Join(dir, "state")
	c.Identity.AllowPrivate = true
	c.Identity.Issuers = []identity.Issuer{{Issuer: g.provider.Issuer(), Audiences: []string{"app"}}}
	get := []string{http.MethodGet}
	c.Routes = []route.Spec{
		{ID: "open", Path: "/open", Upstream: server.URL, Public: true},
		{ID: "page", Path: "/pages/{id}", Upstream: server.URL, Scopes: []string{"read"}},
		{ID: "write", Path: "/write", Methods: []string{http.MethodPost}, Upstream: server.URL},
		{ID: "events", Path: "/events", Methods: get, Upstream: server.URL},
		{ID: "dead", Path: "/dead", Methods: get, Upstream: "http://127.0.0.1:1"},
		{ID: "vault", Path: "/vault", Methods: get, Upstream: server.URL, Sensitivity: route.SensitivityCritical},
		{
			ID: "login", Path: "/login", Methods: []string{http.MethodPost}, Upstream: server.URL, Public: true,
			SignIn: &route.SignInSpec{Account: "form:user", Success: []int{200}, Failure: []int{401}},
		},
	}
	g.config = c
	return g
}

// start runs a gateway of the rig and waits until it is ready, where it can be.
func (g *rig) start(t *testing.T, ready bool) {
	t.Helper()
	var err error
	g.gateway, err = gateway.New(gateway.Options{
		Config: g.config, Logger: slog.New(g.log), Meter: noop.Meter{}, Tracer: g.tracer, Now: g.clock, Bound: g.bound,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics\n") }),
	})
	g.bound = nil
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.gateway.Run(ctx) }()
	var ended bool
	g.stop = func() error {
		cancel()
		if ended {
			return nil
		}
		ended = true
		select {
		case err := <-done:
			return err
		case <-time.After(2 * time.Minute):
			return fmt.Errorf("Run did not return")
		}
	}
	t.Cleanup(func() {
		err := g.stop()
		if err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	})
	for deadline := time.Now().Add(patience); ready; time.Sleep(5 * time.Millisecond) {
		res, text := g.admin(t, "GET", "/readyz?verbose", nil)
		if res.StatusCode == http.StatusOK && strings.Contains(text, `"feed":"known"`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready: %s", text)
		}
	}
}

// token is one of a user's session.
func (g *rig) token(user string) string {
	return g.provider.Mint(idp.Claims{Subject: user, SessionID: "sid-" + user, Scope: "read", ClientID: "app"})
}

// session is the pseudonym of that session.
func (g *rig) session(user string) string { return g.names.Session(g.provider.Issuer(), "sid-"+user) }

// client has connections of its own.
func client(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func (g *rig) request(t *testing.T, method, path, token string, body io.Reader) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, "http://"+g.gateway.Addr().String()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// reply is what is left of a response once its body has been read.
type reply struct{ StatusCode int }

// do sends a request and returns the answer with its text.
func do(t *testing.T, r *http.Request) (reply, string) {
	t.Helper()
	res, err := client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		t.Fatalf("read body: %v", err)
	}
	return reply{res.StatusCode}, string(b)
}

func (g *rig) admin(t *testing.T, method, path string, body []byte, change ...func(*http.Request)) (reply, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+g.gateway.AdminAddr().String()+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(r)
	}
	return do(t, r)
}

// judge has an operator sign a verdict.
func (g *rig) judge(t *testing.T, action, kind, id string) []byte {
	t.Helper()
	g.seq++
	record, err := g.operator.Verdict(&verdict.Verdict{
		Id: fmt.Sprint("v", g.seq), Time: timestamppb.Now(), Epoch: 1, Seq: g.seq, Authority: verdict.AuthorityOperator, Tenant: "default",
		Target: &verdict.Target{Kind: kind, Id: id}, Action: action, Until: timestamppb.New(time.Now().Add(time.Hour)),
		Cause: &verdict.Cause{EventTime: timestamppb.Now()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// revoke puts a verdict in force through the admin port.
func (g *rig) revoke(t *testing.T, action, kind, id string) {
	t.Helper()
	res, answer := g.admin(t, "POST", "/v1/verdicts", g.judge(t, action, kind, id))
	if res.StatusCode != http.StatusOK {
		t.Fatalf("POST /v1/verdicts: %d %s", res.StatusCode, answer)
	}
}

// records reads every partition of a topic to its end.
func (g *rig) records(t *testing.T, name string) [][]byte {
	t.Helper()
	tr := &kafka.Transport{}
	defer tr.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(g.broker.Addr()), Transport: tr, Timeout: patience}
	md, err := c.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for p := range md.Topics[0].Partitions {
		for offset, end := int64(0), int64(1); offset < end; {
			res, err := c.Fetch(t.Context(), &kafka.FetchRequest{
				Topic: name, Partition: p, Offset: offset, MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 10 * time.Millisecond,
			})
			if err != nil || res.Error != nil {
				t.Fatalf("fetch %s/%d: %v, %v", name, p, err, res)
			}
			end = res.HighWatermark
			for {
				r, err := res.Records.ReadRecord()
				if err != nil {
					break
				}
				value, err := kafka.ReadAll(r.Value)
				if err != nil {
					t.Fatal(err)
				}
				offset = r.Offset + 1
				all = append(all, value)
			}
		}
	}
	return all
}

// events are the gateway's request events of every phase, by route.
func (g *rig) events(t *testing.T) map[string][]*event.RequestEvent {
	t.Helper()
	out := make(map[string][]*event.RequestEvent)
	for _, value := range g.records(t, topic.Requests) {
		e := new(event.RequestEvent)
		err := event.Decode(value, e)
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == event.KindRequest {
			out[e.Route] = append(out[e.Route], e)
		}
	}
	return out
}

// enforcements are the gateway's receipts.
func (g *rig) enforcements(t *testing.T) []*verdict.Enforcement {
	t.Helper()
	var out []*verdict.Enforcement
	for _, value := range g.records(t, topic.Enforcements) {
		e := new(verdict.Enforcement)
		err := e.UnmarshalVT(value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// problemOf decodes a problem body.
func problemOf(t *testing.T, text string) map[string]any {
	t.Helper()
	var p map[string]any
	err := json.Unmarshal([]byte(text), &p)
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return p
}
