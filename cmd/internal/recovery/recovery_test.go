package recovery_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/analyzer"
	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/analyzer/store"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/olap/olaptest"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

var (
	entities   = flag.Int("entities", 2000, "entities in all: half subjects, half sessions")
	partitions = flag.Int("partitions", 2, "partitions that they are in")
	patience   = flag.Duration("patience", 30*time.Second, "how long one step may take")
	visits     = flag.Int("requests", 12, "requests that each subject has made")
)

// childEnv names the configuration that a child runs.
const childEnv = "VIGIL_RECOVERY_CONFIG"

// TestMain runs the tests, or the analyzer that they kill.
func TestMain(m *testing.M) {
	file := os.Getenv(childEnv)
	if file != "" {
		err := child(file)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	flag.Parse()
	code := m.Run()
	err := olaptest.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// child is an analyzer until somebody kills it.
func child(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var c analyzer.Config
	err = json.Unmarshal(b, &c)
	if err != nil {
		return err
	}
	a, err := analyzer.New(analyzer.Options{
		Config: c, Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)), Meter: noop.Meter{}, Tracer: tracenoop.Tracer{}, Now: time.Now,
		Metrics: http.NotFoundHandler(),
	})
	if err != nil {
		return err
	}
	return a.Run(context.Background())
}

// rig is a broker, a ClickHouse and a configuration.
type rig struct {
	t      *testing.T
	dir    string
	config analyzer.Config
	writer *announce.Writer
	sent   int
	begun  []byte // The state from which every partition begins.
}

func newRig(t *testing.T) *rig {
	t.Helper()
	b, err := broker.Start(broker.Options{Partitions: *partitions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	r := &rig{t: t, dir: t.TempDir()}
	r.writer, err = announce.NewWriter(nil, []string{b.Addr()}, slog.New(slog.DiscardHandler), noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.writer.Close)
	key := func(text string) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(fmt.Appendf(nil, "%-32s", text)) }
	root, own := key("root"), key("analyzer")
	set, err := verdict.SignKeySet(root, []verdict.Key{{ID: "a", Class: verdict.ClassAnalyzer, Public: own.Public().(ed25519.PublicKey)}})
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(root.Public())
	if err != nil {
		t.Fatal(err)
	}
	c := analyzer.DefaultConfig()
	c.Kafka.Brokers = []string{b.Addr()}
	c.TenantKeyFile = r.file("tenant.key", bytes.Repeat([]byte{7}, 32))
	c.Keys.KeySetFile = r.file("keys.jws", set)
	c.Keys.RootPublicFile = r.file("root.pub.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	c.Announce.KeyFile = r.file("analyzer.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	c.Announce.KeyID, c.Admin.Address = "a", "127.0.0.1:0"
	c.Store.Addresses, c.Store.Protocol, c.Store.Database = []string{olaptest.Server(t).Addr()}, store.ProtocolHTTP, olaptest.Database(t)
	c.State.Every, c.State.ArchiveEvery = time.Second, time.Second
	r.config = c
	return r
}

func (r *rig) file(name string, content []byte) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	err := os.WriteFile(path, content, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	return path
}

// prepare writes a state file of as many entities for each partition into each folder.
func (r *rig) prepare(stateDirs ...string) (bytesEach int) {
	r.t.Helper()
	e, err := scorer.New(scorer.Options{Model: model.Default()})
	if err != nil {
		r.t.Fatal(err)
	}
	subjects := max(1, *entities/2 / *partitions)
	begin := time.Now().Add(-24 * time.Hour)
	ev, offset := new(event.RequestEvent), int64(0)
	for n := range *visits {
		for i := range subjects {
			life(ev, i, n, begin.Add(time.Duration(n)*time.Hour+time.Duration(i)*time.Millisecond))
			e.Assess(scorer.Record{Event: ev, Topic: topic.Requests, Offset: offset})
			offset++
		}
	}
	var begun bytes.Buffer
	err = e.Snapshot(&begun)
	if err != nil {
		r.t.Fatal(err)
	}
	r.begun = begun.Bytes()
	for _, dir := range stateDirs {
		r.keep(dir)
	}
	fi, err := os.Stat(filepath.Join(stateDirs[0], topic.Requests, "partition-0.state"))
	if err != nil {
		r.t.Fatal(err)
	}
	return int(fi.Size()) / (2 * subjects)
}

// keep writes the state from which everything begins for each partition.
func (r *rig) keep(stateDir string) {
	r.t.Helper()
	c := r.config.State
	c.Dir = stateDir
	s, err := state.New(state.Options{Config: c, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		r.t.Fatal(err)
	}
	for p := range *partitions {
		h := state.Header{Topic: topic.Requests, Partition: p, Partitions: *partitions, Model: model.Default().Digest()}
		err = s.Save(r.t.Context(), h, func(w io.Writer) error {
			_, err := w.Write(r.begun)
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// life is the n-th request of a subject.
func life(ev *event.RequestEvent, i, n int, at time.Time) {
	ev.Reset()
	ev.Kind, ev.Phase, ev.Tenant, ev.SubjectKind = event.KindRequest, event.PhaseComplete, "default", event.SubjectHuman
	ev.Time = timestamppb.New(at)
	ev.Subject, ev.Session, ev.TokenId = fmt.Sprintf("subject-%024d", i), fmt.Sprintf("session-%024d", i), fmt.Sprint("token-", i, n/4)
	ev.Address, ev.Asn, ev.Country = fmt.Sprintf("10.%d.%d.%d", i>>8&255, i&255, n%2), uint32(3320+n%2), "DE"
	lat, lon := 52.5, 13.4
	ev.Latitude, ev.Longitude, ev.AccuracyRadiusKm = &lat, &lon, 50
	ev.UserAgent, ev.Ja4 = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "t13d1516h2_8daaf6152771_02713d6af862"
	ev.Method, ev.Status = "GET", 200
	ev.Template = []string{"/accounts/{id}", "/orders/{id}", "/", "/profile", "/reports"}[n%5]
	ev.Path, ev.Resource, ev.BytesOut = ev.Template, strconv.Itoa(1000+(i*7+n*13)%997), uint64(500<<(n%8))
}

// process is a running child.
type process struct {
	cmd *exec.Cmd

	mu    sync.Mutex
	lines []string
	done  chan struct{}
}

func (r *rig) start(stateDir string) *process {
	r.t.Helper()
	c := r.config
	c.State.Dir = stateDir
	b, err := json.Marshal(c)
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0]) // It is killed, not cancelled.
	cmd.Env = append(os.Environ(), childEnv+"="+r.file("config.json", b))
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	err = cmd.Start()
	if err != nil {
		r.t.Fatal(err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go p.listen(out)
	r.t.Cleanup(p.kill)
	return p
}

func (p *process) listen(out io.Reader) {
	defer close(p.done)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.mu.Lock()
		p.lines = append(p.lines, lines.Text())
		p.mu.Unlock()
	}
}

// kill is kill -9. A second call does nothing.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
	_ = p.cmd.Wait()
}

// said returns the lines that hold all of some texts.
func (p *process) said(texts ...string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
next:
	for _, l := range p.lines {
		for _, text := range texts {
			if !strings.Contains(l, text) {
				continue next
			}
		}
		out = append(out, l)
	}
	return out
}

// send writes one event to each partition.
func (r *rig) send() {
	r.t.Helper()
	ev := new(event.RequestEvent)
	for p := range *partitions {
		life(ev, 0, r.sent, time.Now())
		b, err := event.Append(nil, ev)
		if err != nil {
			r.t.Fatal(err)
		}
		err = r.writer.Write(r.t.Context(), topic.Requests, p, announce.Record{Key: []byte("k"), Value: b})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	r.sent++
}

// scored waits until every partition has assessed all that was sent.
func (r *rig) scored(p *process) {
	r.t.Helper()
	end := time.Now().Add(*patience)
	for n := range *partitions {
		for r.assessed(n) < int64(r.sent) {
			if time.Now().After(end) {
				r.t.Fatalf("partition %d is not scored; the analyzer says:\n%s", n, strings.Join(p.said(""), "\n"))
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}
