package upstream_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/deploy/devstack/upstream"
)

// TestMain fails if a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o upstream.Options) *upstream.Server {
	t.Helper()
	s, err := upstream.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		err := s.Close()
		if err != nil {
			t.Error(err)
		}
	})
	return s
}

// do returns the status and body of one request.
func do(t *testing.T, method, address, contentType, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestAnswersAndLedger asks for each plain path and compares the ledger.
func TestAnswersAndLedger(t *testing.T) {
	s := start(t, upstream.Options{Users: map[string]string{"ana": "right"}, Rate: 1 << 30})
	form := func(user, password string) string {
		return url.Values{"username": {user}, "password": {password}}.Encode()
	}
	const formType = "application/x-www-form-urlencoded"
	tests := []struct {
		name, method, path, contentType, body string
		want                                  int
		wantBody                              string
	}{
		{name: "home", method: "GET", path: "/", want: 200, wantBody: "Hello"},
		{name: "static file", method: "GET", path: "/static/app.js", want: 200, wantBody: "console"},
		{name: "unknown static file", method: "GET", path: "/static/nothing", want: 404},
		{name: "list of accounts", method: "GET", path: "/accounts", want: 200, wantBody: `"1000"`},
		{name: "an account", method: "GET", path: "/accounts/1234", want: 200, wantBody: `"id":"1234"`},
		{name: "no such account", method: "GET", path: "/accounts/7", want: 404},
		{name: "right password", method: "POST", path: "/login", contentType: formType, body: form("ana", "right"), want: 200, wantBody: "ana"},
		{name: "wrong password", method: "POST", path: "/login", contentType: formType, body: form("ana", "wrong"), want: 401},
		{name: "unknown user with an empty password", method: "POST", path: "/login", contentType: formType, body: form("eve", ""), want: 401},
		{name: "download", method: "GET", path: "/download?bytes=40000", want: 200, wantBody: strings.Repeat("\x00", 40000)},
		{name: "download of no size", method: "GET", path: "/download?bytes=-1", want: 400},
		{name: "download of no speed", method: "GET", path: "/download?bytes=1&rate=x", want: 400},
		{name: "upload", method: "POST", path: "/upload", body: "12345", want: 200, wantBody: `{"bytes":5}`},
		{name: "slow", method: "GET", path: "/slow?ms=1", want: 200, wantBody: `"waited_ms":1`},
		{name: "unknown path", method: "GET", path: "/nowhere", want: 404},
	}
	want := map[string]uint64{}
	for _, tt := range tests {
		status, body := do(t, tt.method, s.URL()+tt.path, tt.contentType, tt.body)
		if status != tt.want || !strings.Contains(body, tt.wantBody) {
			t.Errorf("%s: status %d, body %.80q", tt.name, status, body)
		}
		path, _, _ := strings.Cut(tt.path, "?")
		want[path]++
	}
	if diff := cmp.Diff(want, s.Paths()); diff != "" {
		t.Errorf("ledger differs (-want +got):\n%s", diff)
	}
	if s.Total() != uint64(len(tests)) || s.Open() != 0 {
		t.Errorf("ledger says %d served, %d open", s.Total(), s.Open())
	}
}

// TestWebSocketTicksAndEchoes checks both directions and that leaving frees the handler.
func TestWebSocketTicksAndEchoes(t *testing.T) {
	s := start(t, upstream.Options{Tick: time.Millisecond})
	conn, resp, err := websocket.Dial(t.Context(), s.URL()+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body != nil {
		_ = resp.Body.Close()
	}
	err = conn.Write(t.Context(), websocket.MessageText, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for !seen["hello"] || !seen["tick 2"] {
		_, message, err := conn.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen[string(message)] = true
	}
	_ = conn.CloseNow()
	settle(t, s)
}

// TestStreamsEndWithTheirClient checks that a client which leaves frees its handler.
func TestStreamsEndWithTheirClient(t *testing.T) {
	s := start(t, upstream.Options{Tick: time.Millisecond, Rate: 64 << 10})
	for path, line := range map[string]string{"/events": "event: tick", "/download?bytes=1000000000": ""} {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(resp.Body)
		for got := "x"; line != "" && got != line; {
			got, err = in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			got = strings.TrimSpace(got)
		}
		cancel()
		_ = resp.Body.Close()
		settle(t, s)
	}
}

// TestCloseEndsOpenStreams checks that Close does not wait for a client that stays.
func TestCloseEndsOpenStreams(t *testing.T) {
	s, err := upstream.Start(upstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conn, _, err := websocket.Dial(t.Context(), s.URL()+"/ws", nil) //nolint:bodyclose // The connection is the body.
	if err != nil {
		t.Fatal(err)
	}
	err = s.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = conn.Read(t.Context())
	if err == nil {
		t.Error("the WebSocket still lives")
	}
	settle(t, s)
}

// settle waits until the server serves nobody.
func settle(t *testing.T, s *upstream.Server) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); s.Open() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests are still open", s.Open())
		}
	}
}
