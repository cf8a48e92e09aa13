package analyzer_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// TestMain finds goroutines that outlive the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "a token of some length"

// installation writes keys, secrets and a configuration into a folder.
func installation(t *testing.T, brokers ...string) (analyzer.Config, verdict.Signer) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		err := os.WriteFile(path, content, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := func(text string) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32s", text)))
	}
	public := func(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }
	root, own, operator := key("root"), key("analyzer"), key("operator")
	set, err := verdict.SignKeySet(root, []verdict.Key{
		{ID: "a", Class: verdict.ClassAnalyzer, Public: public(own)}, {ID: "o", Class: verdict.ClassOperator, Public: public(operator)},
	})
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(public(root))
	if err != nil {
		t.Fatal(err)
	}
	c := analyzer.DefaultConfig()
	c.TenantKeyFile = file("tenant.key", bytes.Repeat([]byte{7}, 32))
	c.Kafka.Brokers = brokers
	c.Keys.KeySetFile = file("keys.jws", set)
	c.Keys.RootPublicFile = file("root.pub.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub}))
	c.Announce.KeyFile = file("analyzer.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	c.Announce.KeyID = "a"
	c.Admin.Address = "127.0.0.1:0"
	c.Admin.TokenFile = file("token", []byte(token+"\n"))
	c.State.Dir = filepath.Join(dir, "state")
	c.Ingest.SessionTimeout, c.Ingest.Heartbeat = 2*time.Second, 100*time.Millisecond
	return c, verdict.NewSigner("o", operator)
}

func start(t *testing.T, c analyzer.Config) *analyzer.Analyzer {
	t.Helper()
	a, err := analyzer.New(analyzer.Options{
		Config: c, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Tracer: tracenoop.Tracer{}, Now: time.Now,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") }),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		err := <-done
		if err != nil {
			t.Errorf("Run = %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return a
}

func call(t *testing.T, a *analyzer.Analyzer, method, path, bearer string, body []byte) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+a.AdminAddr().String()+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Readiness, liveness, metrics and the relay, on a real broker.
func TestServesItsAdminPort(t *testing.T) {
	b, err := broker.Start(broker.Options{Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	c, operator := installation(t, b.Addr())
	a := start(t, c)
	eventually(t, "ready", func() bool { code, _ := call(t, a, "GET", "/readyz", "", nil); return code == http.StatusOK })
	eventually(t, "both partitions", func() bool {
		var ready struct {
			Status, Mode, Model string
			Partitions          []struct{ Ready bool }
		}
		_, body := call(t, a, "GET", "/readyz?verbose", "", nil)
		err := json.Unmarshal([]byte(body), &ready)
		if err != nil {
			t.Fatal(err)
		}
		return len(ready.Partitions) == 2 && ready.Status == "ready" && ready.Mode == "observe" && ready.Model != ""
	})
	for path, want := range map[string]string{"/livez": "alive", "/metrics": "metrics", "/": "There is no web console yet"} {
		code, body := call(t, a, "GET", path, "", nil)
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("GET %s = %d %s", path, code, body)
		}
	}
	v := &verdict.Verdict{
		Id: "op", Time: timestamppb.Now(), Epoch: 1, Seq: 1, Authority: verdict.AuthorityOperator, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetSession, Id: "s"}, Action: verdict.ActionRevoke, Until: timestamppb.New(time.Now().Add(time.Hour)),
	}
	env, err := operator.Verdict(v)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		bearer string
		body   []byte
		want   int
	}{
		"no token":           {"", env, http.StatusUnauthorized},
		"a wrong token":      {"wrong", env, http.StatusUnauthorized},
		"no envelope":        {token, []byte("x"), http.StatusUnprocessableEntity},
		"too large":          {token, make([]byte, verdict.EnvelopeBytesMax+1), http.StatusRequestEntityTooLarge},
		"operator's verdict": {token, append(env, '\n'), http.StatusNoContent},
	} {
		code, body := call(t, a, "POST", "/v1/verdicts", tt.bearer, tt.body)
		if code != tt.want {
			t.Errorf("%s: %d %s, want %d", name, code, body, tt.want)
		}
	}
	found := 0
	for p := range 2 {
		conn, err := kafka.DialLeader(t.Context(), "tcp", b.Addr(), topic.Verdicts, p)
		if err != nil {
			t.Fatal(err)
		}
		batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
		for {
			m, err := batch.ReadMessage()
			if err != nil {
				break
			}
			if bytes.Equal(m.Value, env) {
				found++
			}
		}
		_, _ = batch.Close(), conn.Close()
	}
	if found != 1 {
		t.Errorf("the operator's verdict stands %d times in the topic, want once", found)
	}
}

// Without Kafka the process lives, says that it is not ready, and ends at once.
func TestOutlivesTheAbsenceOfKafka(t *testing.T) {
	c, operator := installation(t, "127.0.0.1:1")
	a := start(t, c)
	code, _ := call(t, a, "GET", "/readyz", "", nil)
	if code != http.StatusServiceUnavailable {
		t.Errorf("readyz = %d, want 503", code)
	}
	code, _ = call(t, a, "GET", "/livez", "", nil)
	if code != http.StatusOK {
		t.Errorf("livez = %d, want 200", code)
	}
	for name, tt := range map[string]struct {
		method, path, bearer string
		want                 int
		body                 string
	}{
		"a stranger asks what waits":            {"GET", "/v1/held", "", http.StatusUnauthorized, "admin token"},
		"nothing waits":                         {"GET", "/v1/held", token, http.StatusOK, "[]"},
		"a stranger releases":                   {"POST", "/v1/release?tenant=default&group=walk", "wrong", http.StatusUnauthorized, "admin token"},
		"a stranger asks for epochs":            {"GET", "/v1/epochs?tenant=default", "", http.StatusUnauthorized, "admin token"},
		"there are no epochs":                   {"GET", "/v1/epochs?tenant=default", token, http.StatusOK, "[]"},
		"no number of an epoch":                 {"GET", "/v1/epochs?number=x", token, http.StatusBadRequest, "number"},
		"a stranger promotes":                   {"POST", "/v1/epochs/promote", "wrong", http.StatusUnauthorized, "admin token"},
		"an order that nobody has signed":       {"POST", "/v1/epochs/promote", token, http.StatusUnprocessableEntity, "not a signed envelope"},
		"an operator releases what is not held": {"POST", "/v1/release?tenant=default&group=walk", token, http.StatusNotFound, "nothing"},
	} {
		code, body := call(t, a, tt.method, tt.path, tt.bearer, nil)
		if code != tt.want || !strings.Contains(body, tt.body) {
			t.Errorf("%s: %d %s, want %d", name, code, body, tt.want)
		}
	}
	env, err := operator.Verdict(&verdict.Verdict{
		Id: "op", Time: timestamppb.Now(), Authority: verdict.AuthorityOperator, Target: &verdict.Target{Kind: verdict.TargetSession, Id: "s"},
		Action: verdict.ActionRevoke, Until: timestamppb.New(time.Now().Add(time.Hour)),
	})
	if err != nil {
		t.Fatal(err)
	}
	code, _ = call(t, a, "POST", "/v1/verdicts", token, env)
	if code != http.StatusServiceUnavailable {
		t.Errorf("relay = %d, want 503", code)
	}
}

// A bad model file changes nothing.
func TestReloadKeepsTheOldModelWhereTheNewIsAtFault(t *testing.T) {
	c, _ := installation(t, "127.0.0.1:1")
	a := start(t, c)
	model := func() string { _, body := call(t, a, "GET", "/readyz?verbose", "", nil); return body }
	before := model()
	c.Model.File = filepath.Join(t.TempDir(), "model.yaml")
	err := os.WriteFile(c.Model.File, []byte("nonsense: 1\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	err = a.Reload(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "model.file") || model() != before {
		t.Errorf("Reload = %v; before %s, after %s", err, before, model())
	}
	err = os.WriteFile(c.Model.File, []byte("mode: enforce\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	err = a.Reload(t.Context(), c)
	if err != nil || !strings.Contains(model(), `"mode":"enforce"`) {
		t.Errorf("Reload = %v; after %s", err, model())
	}
}

// All faults at once, each by its key.
func TestConfigNamesEveryFault(t *testing.T) {
	err := analyzer.Config{}.Validate()
	for _, key := range []string{
		"tenant_key_file:", "keys.key_set_file:", "keys.root_public_file:", "lanes:", "kafka.brokers:", "admin.address:",
		"ingest.group:", "state.every:", "announce.key_file:",
	} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("no fault of %s in: %v", key, err)
		}
	}
}

// Each file that is wrong is named by its key.
func TestNewNamesTheFileAtFault(t *testing.T) {
	for key, spoil := range map[string]func(*analyzer.Config) string{
		"tenant_key_file":       func(c *analyzer.Config) string { return c.TenantKeyFile },
		"keys.root_public_file": func(c *analyzer.Config) string { return c.Keys.RootPublicFile },
		"keys.key_set_file":     func(c *analyzer.Config) string { return c.Keys.KeySetFile },
		"announce.key_file":     func(c *analyzer.Config) string { return c.Announce.KeyFile },
		"admin.token_file":      func(c *analyzer.Config) string { return c.Admin.TokenFile },
	} {
		c, _ := installation(t, "127.0.0.1:1")
		err := os.WriteFile(spoil(&c), []byte("short"), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = analyzer.New(analyzer.Options{
			Config: c, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Tracer: tracenoop.Tracer{}, Now: time.Now,
		})
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is spoilt: New = %v", key, err)
		}
	}
}
