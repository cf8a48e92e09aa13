//go:build e2e || bench

package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"google.golang.org/grpc"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"

	"github.com/vigil-gateway/vigil/cmd/internal/devstack/runfile"
	"github.com/vigil-gateway/vigil/deploy/devstack/idp"
	"github.com/vigil-gateway/vigil/deploy/devstack/upstream"
)

// Bounds of what a test waits for; generous, because nothing is asserted by them.
const (
	startMax = 2 * time.Minute
	waitMax  = 30 * time.Second
	lookGap  = 20 * time.Millisecond
)

// stackOptions say how a stack differs from what "vigil up" does by itself.
type stackOptions struct {
	otlp     string         // Address of a collector; empty for none.
	analyzer map[string]any // Section analyzer.
	rate     int64          // Bytes per second of a download.
	release  map[string]any // The barrier of routes that are asked for as releaseHost; nil for none.
	unfused  bool           // The gateway ends as many sessions as it is told to.
}

// releaseHost is the host of the routes with a release barrier.
const releaseHost = "held.example.com"

// stack is the product as its users run it: the built binary in a process of
// its own, before a service, a gRPC service and an identity provider of the test's.
type stack struct {
	dir      string
	run      runfile.Run
	password string
	pid      int
	idp      *idp.Provider
	upstream *upstream.Server
	client   *http.Client // For ClickHouse.
}

// Places of the test's world. A session that is used from two of them by two
// programs is what the analyzer calls a stolen token.
var (
	home   = netip.MustParsePrefix("198.18.0.0/16")
	abroad = netip.MustParsePrefix("198.19.0.0/16")
)

// Programs of the two.
const (
	ownersAgent   = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
	thiefsAgent   = "curl/8.9.1"
	stackAudience = "e2e"
)

// startStack builds the binary, starts everything and ends it with the test.
func startStack(t *testing.T, o stackOptions) *stack {
	t.Helper()
	s := &stack{dir: t.TempDir(), client: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(s.client.CloseIdleConnections)
	var err error
	s.upstream, err = upstream.Start(upstream.Options{Rate: o.rate, Tick: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.upstream.Close() }) // Streams that a failed test left open.
	s.idp, err = idp.Start(idp.Options{Audience: stackAudience, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.idp.Close() })
	config := filepath.Join(s.dir, "config.yaml")
	text, err := json.Marshal(s.config(startGRPC(t), o)) // JSON is YAML.
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(config, text, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s.up(t, build(t, s.dir), config)
	s.run, err = runfile.Read(s.installation())
	if err != nil {
		t.Fatal(err)
	}
	password, err := os.ReadFile(s.run.ClickHousePasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	s.password = strings.TrimSpace(string(password))
	return s
}

// installation is the directory of "vigil up".
func (s *stack) installation() string { return filepath.Join(s.dir, "vigil") }

// build makes the binary of this checkout, so that no test runs yesterday's.
func build(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "vigil.bin")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "embedded", "-o", name,
		"github.com/vigil-gateway/vigil/cmd/vigil").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return name
}

// config is the file of "vigil up --config".
func (s *stack) config(grpcAddr string, o stackOptions) map[string]any {
	get, post := []string{http.MethodGet}, []string{http.MethodPost}
	at := func(id, path, to string, methods []string) map[string]any {
		return map[string]any{"id": id, "path": path, "upstream": to, "methods": methods}
	}
	web := s.upstream.URL()
	place := func(p netip.Prefix, country, org string, asn int, latitude, longitude float64) map[string]any {
		return map[string]any{
			"prefix": p.String(), "country": country, "asn": asn, "org": org,
			"latitude": latitude, "longitude": longitude, "accuracy_km": 20,
		}
	}
	c := map[string]any{
		"gateway": map[string]any{
			"listen": map[string]any{"h2c": true, "proxy_protocol": map[string]any{"trusted": []string{"127.0.0.1"}}},
			"origin": map[string]any{"networks": []any{
				place(home, "CH", "Home Fibre", 64501, 47.37, 8.54), place(abroad, "AU", "Away Cable", 64502, -31.95, 115.86),
			}},
			"routes": []any{
				at("home", "/", web, get), at("accounts", "/accounts", web, get), at("account", "/accounts/{id}", web, get),
				at("live", "/ws", web, get), at("feed", "/events", web, get), at("report", "/download", web, get),
				at("upload", "/upload", web, post), at("rpc", "/grpc.testing.TestService/{method}", "h2c://"+grpcAddr, post),
			},
		},
	}
	if o.analyzer != nil {
		c["analyzer"] = o.analyzer
	}
	if o.unfused {
		c["gateway"].(map[string]any)["revoke"] = map[string]any{"fuse": map[string]any{"share": 1}}
	}
	if o.release != nil {
		gateway := c["gateway"].(map[string]any)
		for _, r := range gateway["routes"].([]any) {
			held := maps.Clone(r.(map[string]any))
			held["id"], held["host"], held["release"] = fmt.Sprint("held-", held["id"]), releaseHost, o.release
			gateway["routes"] = append(gateway["routes"].([]any), held)
		}
	}
	if o.otlp != "" {
		c["telemetry"] = map[string]any{"otlp": map[string]any{"endpoint": o.otlp, "protocol": "grpc", "insecure": true}}
	}
	return c
}

// up runs "vigil up" until the test ends, and waits for its ready line.
func (s *stack) up(t *testing.T, binary, config string) {
	t.Helper()
	// Not the test's context: it ends before the clean-up that lets the process finish.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, "up", "--data", s.installation(), "--config", config,
		"--enforce", "--upstream", s.upstream.URL(), "--issuer", s.idp.Issuer(), "--audience", stackAudience)
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	s.pid = cmd.Process.Pid
	first := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		in := bufio.NewReader(stdout)
		line, _ := in.ReadString('\n') // Without a line the wait below says what is wrong.
		first <- line
		_, _ = io.Copy(io.Discard, in)
		ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("vigil up ended: %v", err)
			}
		case <-time.After(startMax):
			_ = cmd.Process.Kill()
			t.Errorf("vigil up does not end")
		}
	})
	select {
	case line := <-first:
		if !strings.Contains(line, `"event":"ready"`) {
			t.Fatalf("first line of vigil up: %q", line)
		}
	case <-time.After(startMax):
		t.Fatal("vigil up is not ready")
	}
}

// rpc is a gRPC service whose answer never ends.
type rpc struct {
	testgrpc.UnimplementedTestServiceServer
}

// StreamingOutputCall sends a message every now and then until the caller is gone.
func (rpc) StreamingOutputCall(_ *testgrpc.StreamingOutputCallRequest, stream testgrpc.TestService_StreamingOutputCallServer) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: &testgrpc.Payload{Body: []byte("tick")}})
		if err != nil {
			return err
		}
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-tick.C:
		}
	}
}

func startGRPC(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(srv, rpc{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(lis) // What it says at the end is that it was stopped.
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-done
	})
	return lis.Addr().String()
}

// host is the gateway's host:port.
func (s *stack) host() string { return strings.TrimPrefix(s.run.Gateway, "http://") }

// token signs somebody in: a session of his own with a token of its own.
func (s *stack) token(name string) string {
	now := time.Now()
	return s.idp.Mint(idp.Claims{
		Subject: name, SessionID: "sid-" + name, TokenID: "jti-" + name, ClientID: "web", AuthTime: now, Expires: now.Add(time.Hour),
		ACR: "urn:vigil:e2e:password", AMR: []string{"pwd"},
	})
}

// address is the n-th of a place.
func address(p netip.Prefix, n int) netip.Addr {
	a := p.Addr().As4()
	n++ // Not the network's own.
	a[2], a[3] = byte(n>>8), byte(n)
	return netip.AddrFrom4(a)
}

// dialFrom connects to the gateway, through a load balancer that says where
// the client is.
func dialFrom(ctx context.Context, host string, from netip.Addr) (net.Conn, error) {
	d := net.Dialer{Timeout: waitMax}
	conn, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, fmt.Errorf("dial gateway: %w", err)
	}
	_, err = proxyproto.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: from.AsSlice(), Port: 40000}, conn.RemoteAddr()).WriteTo(conn)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("send PROXY header: %w", err), conn.Close())
	}
	return conn, nil
}

// transport is that of a browser at an address.
func (s *stack) transport(t *testing.T, from netip.Addr) *http.Transport {
	t.Helper()
	host := s.host()
	tr := &http.Transport{
		Protocols:   new(http.Protocols),
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialFrom(ctx, host, from) },
	}
	tr.Protocols.SetHTTP1(true)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// request is one with a token.
func (s *stack) request(t *testing.T, method, path, token, agent string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.run.Gateway+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("User-Agent", agent)
	return req
}

// query asks ClickHouse over its HTTP port and gives the rows to visit.
func query[R any](ctx context.Context, s *stack, text string, visit func(R)) error {
	params := url.Values{"database": {s.run.ClickHouseDatabase}, "output_format_json_quote_64bit_integers": {"0"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.run.ClickHouse+"/?"+params.Encode(), strings.NewReader(text+" FORMAT JSONEachRow"))
	if err != nil {
		return fmt.Errorf("ask clickhouse: %w", err)
	}
	req.SetBasicAuth(s.run.ClickHouseUser, s.password)
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask clickhouse: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("ask clickhouse: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask clickhouse: status %d: %s", resp.StatusCode, body)
	}
	in := json.NewDecoder(strings.NewReader(string(body)))
	for {
		var row R
		err = in.Decode(&row)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ask clickhouse: %w", err)
		}
		visit(row)
	}
}

// number is the one number that a query answers.
func number(t *testing.T, s *stack, text string) int64 {
	t.Helper()
	var n int64
	err := query(t.Context(), s, text, func(r struct {
		N int64 `json:"n"`
	},
	) {
		n = r.N
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
