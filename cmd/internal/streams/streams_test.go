//go:build bench

package streams_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/cmd/internal/topics"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

const (
	patience = 10 * time.Minute
	audience = "streams.example"
	// cutCount is how many streams one verdict ends, bytesMax and cutMax what is asked
	// of a stream's memory and of the 99th percentile of their ends.
	cutCount    = 1000
	bytesMax    = 20 << 10
	cutMax      = 250 * time.Millisecond
	settle      = 30 * time.Second
	streamsEach = 200 // HTTP/2 streams of one client connection.
)

// stand is a gateway between a provider, a broker and an upstream.
type stand struct {
	dir      string
	provider *idp.Provider
	operator verdict.Signer
	cmd      *exec.Cmd
	ready    map[string]string
	seq      uint64
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{dir: t.TempDir()}
	files, err := keys.Init(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(files.OperatorKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := verdict.ParsePrivateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	s.operator = verdict.NewSigner(keys.OperatorKid, key)
	kafka, err := broker.Start(broker.Options{Partitions: 4, Topics: []topic.Spec{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	_, err = topics.Ensure(t.Context(), topics.Options{Brokers: []string{kafka.Addr()}, Specs: topic.All(4), Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	s.provider, err = idp.Start(idp.Options{Audience: audience, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.provider.Close() })
	up := upstream(t)
	config := fmt.Sprintf(`id: gateway-1
tenant_key_file: secrets/tenant.key
kafka: {brokers: [%q]}
keys: {key_set_file: keys/keys.jws, root_public_file: keys/root.pub.pem}
listen: {address: "127.0.0.1:0", h2c: true}
admin: {address: "127.0.0.1:0", token_file: secrets/admin-token}
identity:
  allow_private: true
  issuers:
    - {issuer: %q, jwks_url: %q, audiences: [%q]}
revoke: {dir: gateway-state}
guard: {connections_max: 20000, requests_max: 200000, handshakes: {per_minute: 6000000, burst: 200000}}
stale_max: 0s
routes:
  - {id: feed, path: /events, upstream: "h2c://%s"}
  - {id: live, path: /ws, upstream: "http://%s"}
`, kafka.Addr(), s.provider.Issuer(), s.provider.JWKSURL(), audience, up, up)
	err = os.WriteFile(filepath.Join(s.dir, "gateway.yaml"), []byte(config), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s.launch(t)
	return s
}

// launch starts the gateway; it dies with this process.
func (s *stand) launch(t *testing.T) {
	t.Helper()
	program, err := filepath.Abs("../../../bin/vigil-gateway")
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(s.dir, "gateway.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	s.cmd = exec.Command(program, "--config", filepath.Join(s.dir, "gateway.yaml"))
	s.cmd.Stderr = log
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "GOGC=" + os.Getenv("STREAMS_GOGC")}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // The parent-death signal comes when this thread ends.
	err = s.cmd.Start()
	if err != nil {
		t.Fatalf("run make build first: %v", err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s.ready)
	}
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("%v\n%s", err, text)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(s.ready["admin"] + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the gateway is not ready: %v", err)
		}
	}
}

// upstream says hello on every stream and then waits.
func upstream(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: streamsEach}}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			c, err := websocket.Accept(w, r, nil)
			if err == nil {
				_ = c.Write(r.Context(), websocket.MessageText, []byte("hello"))
				_, _, _ = c.Read(context.WithoutCancel(r.Context()))
				_ = c.CloseNow()
			}
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

func (s *stand) token(i int, client string) string {
	n := strconv.Itoa(i)
	return s.provider.Mint(idp.Claims{Subject: "user-" + n, SessionID: "sid-" + n, ClientID: client})
}

// memory is the gateway's: resident, what its heap holds with the garbage in it, and
// its stacks.
func (s *stand) memory(t *testing.T) (resident, heap, stacks int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(s.ready["admin"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	in := bufio.NewScanner(res.Body)
	for in.Scan() {
		f := strings.Fields(in.Text())
		if len(f) != 2 {
			continue
		}
		v, _ := strconv.ParseFloat(f[1], 64)
		switch f[0] {
		case "go_memstats_alloc_bytes":
			heap = int(v)
		case "go_memstats_stack_inuse_bytes":
			stacks = int(v)
		}
	}
	return kb << 10, heap, stacks
}

// open opens n streams, the first cutCount of them for a client that is to be cut,
// and calls ended with each one's end.
func (s *stand) openFeeds(t *testing.T, n int, ended func(i int)) {
	t.Helper()
	addr := strings.TrimPrefix(s.ready["gateway"], "http://")
	tr := &http2.Transport{AllowHTTP: true}
	each(t, n, streamsEach, func(from, to int) error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = conn.Close() })
		cc, err := tr.NewClientConn(conn)
		if err != nil {
			return err
		}
		for i := from; i < to; i++ {
			r, err := http.NewRequest(http.MethodGet, "http://"+addr+"/events", nil)
			if err != nil {
				return err
			}
			r.Header.Set("Authorization", "Bearer "+s.token(i, clientOf(i)))
			res, err := cc.RoundTrip(r)
			if err != nil {
				return err
			}
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("status %d", res.StatusCode)
			}
			_, err = io.ReadFull(res.Body, make([]byte, len("data: hello\n\n")))
			if err != nil {
				return err
			}
			go func() {
				b := make([]byte, 1)
				_, _ = res.Body.Read(b) // The first byte of its last event, or its end.
				ended(i)
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}()
		}
		return nil
	})
}

func (s *stand) openSockets(t *testing.T, n int, ended func(i int)) {
	t.Helper()
	each(t, n, 100, func(from, to int) error {
		for i := from; i < to; i++ {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			c, _, err := websocket.Dial(ctx, strings.Replace(s.ready["gateway"], "http", "ws", 1)+"/ws", &websocket.DialOptions{
				HTTPHeader: http.Header{"Authorization": {"Bearer " + s.token(i, clientOf(i))}},
			})
			if err != nil {
				cancel()
				return err
			}
			t.Cleanup(func() {
				_ = c.CloseNow()
				cancel()
			})
			_, _, err = c.Read(ctx)
			if err != nil {
				return err
			}
			go func() {
				_, _, err := c.Read(ctx)
				if websocket.CloseStatus(err) == websocket.StatusPolicyViolation {
					ended(i)
				}
			}()
		}
		return nil
	})
}

func clientOf(i int) string {
	if i < cutCount {
		return "to-be-cut"
	}
	return "app"
}

// each does the work of n in portions, a few at a time.
func each(t *testing.T, n, portion int, do func(from, to int) error) {
	t.Helper()
	var next, failed atomic.Int64
	errs := make(chan error, 4)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for failed.Load() == 0 {
				from := int(next.Add(int64(portion))) - portion
				if from >= n {
					return
				}
				err := do(from, min(from+portion, n))
				if err != nil {
					failed.Store(1)
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		t.Fatal(err)
	default:
	}
}

// TestStreams opens STREAMS event streams over HTTP/2, or SOCKETS WebSockets, and
// cuts 1,000 of them by one verdict.
func TestStreams(t *testing.T) {
	for name, kind := range map[string]struct {
		variable string
		fallback int
		open     func(*stand, *testing.T, int, func(int))
	}{
		"event streams over HTTP/2": {"STREAMS", 100_000, (*stand).openFeeds},
		"WebSockets":                {"SOCKETS", 8_000, (*stand).openSockets},
	} {
		t.Run(name, func(t *testing.T) {
			n := kind.fallback
			if text := os.Getenv(kind.variable); text != "" {
				var err error
				n, err = strconv.Atoi(text)
				if err != nil || n != 0 && n < cutCount {
					t.Fatalf("%s must be 0 or at least %d, is %q", kind.variable, cutCount, text)
				}
			}
			if n > 0 {
				newStand(t).measure(t, n, kind.open)
			}
		})
	}
}

func (s *stand) measure(t *testing.T, n int, open func(*stand, *testing.T, int, func(int))) {
	t.Helper()
	emptyResident, emptyHeap, emptyStacks := s.memory(t)
	ends := make(chan time.Duration, n)
	var said atomic.Int64 // When the verdict was sent.
	var over atomic.Bool
	began := time.Now()
	open(s, t, n, func(i int) {
		at := said.Load()
		if over.Load() {
			return
		}
		if at == 0 || i >= cutCount {
			t.Errorf("stream %d ended, which no verdict is about", i)
			return
		}
		ends <- time.Since(time.Unix(0, at))
	})
	opened := time.Since(began)
	time.Sleep(settle) // Some ticks of every stream, and collections, at which stacks shrink.
	resident, heap, stacks := s.memory(t)
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	each := (resident - emptyResident) / n
	t.Logf("%d streams opened in %s with %d descriptors: %d B resident each (%d MiB in all, %d MiB before), %d B of heap and %d B of stacks",
		n, opened.Round(time.Millisecond), len(fds), each, resident>>20, emptyResident>>20, (heap-emptyHeap)/n, (stacks-emptyStacks)/n)
	record := s.verdict(t)
	said.Store(time.Now().UnixNano())
	res, err := http.Post(s.ready["admin"]+"/v1/verdicts", "application/jose", bytes.NewReader(record))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("POST /v1/verdicts: %d", res.StatusCode)
	}
	var took []time.Duration
	for len(took) < cutCount {
		select {
		case d := <-ends:
			took = append(took, d)
		case <-time.After(time.Minute):
			t.Fatalf("%d of %d streams have ended", len(took), cutCount)
		}
	}
	over.Store(true)
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("cut of %d by one verdict: p50 %s, p99 %s, last %s", cutCount, p50.Round(10*time.Microsecond), p99.Round(10*time.Microsecond), took[len(took)-1].Round(10*time.Microsecond))
	t.Logf("asked: %d B each, %s; 99 of 100 cut within %s, %s", bytesMax, met(each <= bytesMax), cutMax, met(p99 <= cutMax))
}

func met(ok bool) string {
	if ok {
		return "met"
	}
	return "missed"
}

func (s *stand) verdict(t *testing.T) []byte {
	t.Helper()
	s.seq++
	record, err := s.operator.Verdict(&verdict.Verdict{
		Id: fmt.Sprint("v", s.seq), Time: timestamppb.Now(), Epoch: 1, Seq: s.seq, Authority: verdict.AuthorityOperator, Tenant: "default",
		Target: &verdict.Target{Kind: verdict.TargetClient, Id: "to-be-cut"}, Action: verdict.ActionRevoke, Until: timestamppb.New(time.Now().Add(time.Hour)),
	})
	if err != nil {
		t.Fatal(errors.Join(errors.New("sign verdict"), err))
	}
	return record
}
