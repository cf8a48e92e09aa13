package upstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What both clients must make the same of, and what only this one refuses.
func TestResponsesLikeNetHTTP(t *testing.T) {
	for name, tt := range map[string]struct {
		method, answer string
		stricter       bool // net/http takes it; this client must not.
	}{
		"a length":                             {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello", false},
		"no reason":                            {"GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false},
		"neither reason nor space":             {"GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false},
		"no body by its length":                {"GET", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", false},
		"the same length twice":                {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", false},
		"chunks":                               {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", false},
		"chunks in capitals":                   {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n", false},
		"chunks with a trailer":                {"GET", "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n", false},
		"a body to the end of the connection":  {"GET", "HTTP/1.1 200 OK\r\n\r\nall of it", false},
		"HTTP/1.0":                             {"GET", "HTTP/1.0 200 OK\r\n\r\nold", false},
		"HTTP/1.0 with a length":               {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold", false},
		"an answer to HEAD":                    {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", false},
		"an answer to HEAD without a length":   {"HEAD", "HTTP/1.1 200 OK\r\n\r\n", false},
		"no content":                           {"DELETE", "HTTP/1.1 204 No Content\r\n\r\n", false},
		"not modified":                         {"GET", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", false},
		"lines that end with LF":               {"GET", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", false},
		"early hints first":                    {"GET", "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false},
		"a body that is cut off":               {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", false},
		"chunks that are cut off":              {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", false},
		"chunks without an end":                {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", false},
		"a chunk of no length":                 {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n", false},
		"a header that is cut off":             {"GET", "HTTP/1.1 200 OK\r\nContent-Le", false},
		"nothing":                              {"GET", "", false},
		"another protocol":                     {"GET", "SSH-2.0-x\r\n", false},
		"HTTP/2":                               {"GET", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", true},
		"a status of two digits":               {"GET", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", false},
		"a status with a sign":                 {"GET", "HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n", true},
		"two lengths":                          {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", false},
		"a list of lengths":                    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", false},
		"a negative length":                    {"GET", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", false},
		"a length with a sign":                 {"GET", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", false},
		"a length in hexadecimal":              {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok", false},
		"a length beyond all":                  {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\nok", false},
		"an encoding that nobody knows":        {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", false},
		"two encodings":                        {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false},
		"a name with a space behind it":        {"GET", "HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length: 2\r\n\r\nok", true},
		"a line without a colon":               {"GET", "HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 2\r\n\r\nok", false},
		"a trailer that ends with LF":          {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n", false},
		"chunks and a length":                  {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
		"chunks in HTTP/1.0":                   {"GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
		"a folded line":                        {"GET", "HTTP/1.1 200 OK\r\nX-A: 1\r\n  2\r\nContent-Length: 2\r\n\r\nok", true},
		"a NUL in a value":                     {"GET", "HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 2\r\n\r\nok", true},
		"a trailer that changes the length":    {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nContent-Length: 7\r\n\r\n", true},
		"a trailer that announces the framing": {"GET", "HTTP/1.1 200 OK\r\nTrailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},
		"another protocol that was not asked":  {"GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, tt.answer)
			std := &http.Transport{DisableCompression: true}
			defer std.CloseIdleConnections()
			want, wantErr := call(std, get(t.Context(), t, tt.method, s.url()))
			got, err := call(client(t, options()), get(t.Context(), t, tt.method, s.url()))
			if tt.stricter {
				if err == nil {
					t.Fatalf("taken as %+v", got)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("differs from net/http, whose error is %v and ours %v (-theirs +ours):\n%s", wantErr, err, diff)
			}
		})
	}
}

// A header has a bound, and what goes beyond it is named.
func TestHeaderTooLarge(t *testing.T) {
	for name, answer := range map[string]string{
		"one long line":  "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 9<<10) + "\r\n\r\n",
		"many lines":     "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: a\r\n", 2000) + "\r\n",
		"one of no end":  "HTTP/1.1 200 " + strings.Repeat("a", 64<<10),
		"too many lines": "HTTP/1.1 200 OK\r\n" + strings.Repeat("a:\r\n", 600) + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := call(client(t, options()), get(t.Context(), t, "GET", script(t, answer).url()))
			if err == nil || !strings.Contains(err.Error(), "response headers exceeded") {
				t.Errorf("error = %v", err)
			}
		})
	}
}

// A connection is used again only where that is safe.
func TestReuse(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for name, tt := range map[string]struct {
		answer string
		conns  int64
	}{
		"a whole body":                      {ok, 1},
		"chunks":                            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1},
		"no content":                        {"HTTP/1.1 204 No Content\r\n\r\n", 1},
		"HTTP/1.0 that keeps alive":         {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 1},
		"it says that it closes":            {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 2},
		"it says so among other things":     {"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok", 2},
		"HTTP/1.0":                          {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 2},
		"an answer that nobody asked for":   {ok + ok, 2},
		"a byte too many":                   {ok + "\n", 2},
		"a body where there must not be":    {"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", 2},
		"a second answer behind the chunks": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + ok, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := script(t, tt.answer, tt.answer), client(t, options())
			for range 2 {
				got, err := call(c, get(t.Context(), t, "POST", s.url())) // Never sent twice.
				if err != nil || got.Body != "ok" && got.Body != "" {
					t.Fatalf("%+v, %v", got, err)
				}
			}
			if n := s.conns.Load(); n != tt.conns {
				t.Errorf("%d connections, want %d", n, tt.conns)
			}
		})
	}
}

// What arrives on an idle connection is not the next request's answer.
func TestUnaskedAnswerIsNobodys(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	sent := make(chan struct{}, 2)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				b := make([]byte, 4<<10)
				for {
					_, err := c.Read(b)
					if err != nil {
						return
					}
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine")
					time.Sleep(50 * time.Millisecond) // So that it is idle.
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
					sent <- struct{}{}
				}
			}()
		}
	}()
	c := client(t, options())
	for range 2 {
		got, err := call(c, get(t.Context(), t, "GET", "http://"+l.Addr().String()+"/"))
		if err != nil || got.Body != "mine" {
			t.Fatalf("%q, %v", got.Body, err)
		}
		<-sent
	}
}

// A connection that the service has closed is noticed, or the request repeated.
func TestClosedWhileIdle(t *testing.T) {
	s, c := script(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), client(t, options())
	for range 20 {
		got, err := call(c, get(t.Context(), t, "GET", s.url()))
		if err != nil || got.Body != "ok" {
			t.Fatalf("%+v, %v", got, err)
		}
	}
}

// Only what is safe is asked again where a connection of the pool ended without
// an answer, and only then.
func TestRepeats(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for name, tt := range map[string]struct {
		method   string
		answers  []string
		failed   bool
		requests int64
	}{
		"a safe request, unanswered":                {"GET", []string{ok, ""}, false, 3},
		"another one":                               {"HEAD", []string{"HTTP/1.1 200 OK\r\n\r\n", ""}, false, 3},
		"an unsafe request":                         {"POST", []string{ok, ""}, true, 2},
		"one that may have deleted something":       {"DELETE", []string{ok, ""}, true, 2},
		"a safe request with the begin of answer":   {"GET", []string{ok, "HTTP/1.1 2"}, true, 2},
		"a safe request on a connection of its own": {"GET", []string{""}, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := script(t, tt.answers...), client(t, options())
			_, _ = call(c, get(t.Context(), t, tt.method, s.url()))
			_, err := call(c, get(t.Context(), t, tt.method, s.url()))
			if (err != nil) != tt.failed {
				t.Errorf("error = %v", err)
			}
			if n := s.requests.Load(); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

// A body that is given up takes its connection with it.
func TestCloseBeforeTheEnd(t *testing.T) {
	s, c := script(t, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhello"), client(t, options())
	for range 2 {
		res, err := c.RoundTrip(get(t.Context(), t, "GET", s.url()))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadFull(res.Body, make([]byte, 3))
		_ = res.Body.Close()
		_, err = res.Body.Read(make([]byte, 1))
		if !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("read after close: %v", err)
		}
	}
	if n := s.conns.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// The end of the context ends what waits.
func TestContext(t *testing.T) {
	why := errors.New("why")
	for name, answer := range map[string]string{
		"for a header": "HTTP/1.1 200 OK\r\n", "for a body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
		"for a chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			waits := make(chan struct{})
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.WriteString(conn, answer)
				close(waits)
				_, _ = io.Copy(io.Discard, conn) // Until the client leaves.
				_ = conn.Close()
			}))
			defer s.Close()
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				<-waits
				time.Sleep(10 * time.Millisecond)
				cancel(why)
			}()
			_, err := call(client(t, options()), get(ctx, t, "GET", s.URL))
			if err == nil {
				t.Fatal("no error")
			}
			if name == "for a header" && !errors.Is(err, why) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

// A service that never answers is a timeout, one that is not there a dial error.
func TestFaults(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	o := options()
	o.HeaderTimeout = 20 * time.Millisecond
	_, err := call(client(t, o), get(t.Context(), t, "GET", s.URL))
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("silent service: %v", err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_, err = call(client(t, o), get(t.Context(), t, "GET", "http://"+l.Addr().String()))
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("no service: %v", err)
	}
}

// What cannot be sent safely is not sent.
func TestRequests(t *testing.T) {
	s := script(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	for name, change := range map[string]func(*http.Request){
		"a line break in a header":      func(r *http.Request) { r.Header["X-A"] = []string{"a\r\nX-B: b"} },
		"a line break in a name":        func(r *http.Request) { r.Header["X-A\r\nX-B"] = []string{"b"} },
		"a line break in the host":      func(r *http.Request) { r.Host = "a\r\nX-B: b" },
		"a space in the method":         func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nX: y" },
		"a line break in the target":    func(r *http.Request) { r.URL.Opaque = "//h/a\r\nX-B: b" },
		"a body":                        func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("b")), 1 },
		"an upgrade":                    func(r *http.Request) { r.Header.Set("Upgrade", "websocket") },
		"an address that asks for TLS":  func(r *http.Request) { r.URL.Scheme = "https" },
		"a method that opens a tunnel":  func(r *http.Request) { r.Method = http.MethodConnect },
		"an expectation without a body": func(r *http.Request) { r.Header.Set("Expect", "100-continue") },
	} {
		t.Run(name, func(t *testing.T) {
			r := get(t.Context(), t, "GET", s.url())
			change(r)
			_, err := call(client(t, options()), r)
			if err == nil {
				t.Error("it was sent")
			}
		})
	}
	if n := s.requests.Load(); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

// More requests than places wait for each other, and none is lost or mixed up.
func TestPlaces(t *testing.T) {
	var open, most atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := open.Add(1)
		defer open.Add(-1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	defer s.Close()
	o := options()
	o.ConnectionsMax, o.IdleMax = 4, 2
	c := client(t, o)
	var work sync.WaitGroup
	for i := range 16 {
		work.Go(func() {
			path := "/" + strings.Repeat("x", i)
			for range 50 {
				got, err := call(c, get(t.Context(), t, "GET", s.URL+path))
				if err != nil || got.Body != path {
					t.Errorf("%q, %v", got.Body, err)
				}
			}
		})
	}
	work.Wait()
	if most.Load() > 4 {
		t.Errorf("%d at once, want at most 4", most.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	for range 4 { // Held to the end of the test.
		res, err := c.RoundTrip(get(t.Context(), t, "GET", s.URL+"/held"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
	}
	_, err := call(c, get(ctx, t, "GET", s.URL))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a place: %v", err)
	}
}

// No more connections stay idle than may.
func TestIdleMax(t *testing.T) {
	var open atomic.Int64
	both := make(chan struct{}, 2)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		both <- struct{}{}
		for len(both) < cap(both) {
			time.Sleep(time.Millisecond)
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			open.Add(-1)
		}
		if state == http.StateNew {
			open.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	o := options()
	o.IdleMax = 1
	c := client(t, o)
	var work sync.WaitGroup
	for range 2 {
		work.Go(func() {
			_, err := call(c, get(t.Context(), t, "GET", s.URL))
			if err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	for deadline := time.Now().Add(10 * time.Second); open.Load() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open, want 1", open.Load())
		}
	}
}

// Idle connections end: by their number, by their age and with the client.
func TestIdleConnectionsEnd(t *testing.T) {
	var open atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			open.Add(1)
		}
		if state == http.StateClosed {
			open.Add(-1)
		}
	}
	s.Start()
	defer s.Close()
	gone := func(what string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); open.Load() > 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d connections are open", what, open.Load())
			}
		}
	}
	o := options()
	o.IdleTimeout = 20 * time.Millisecond
	aged := client(t, o)
	_, err := call(aged, get(t.Context(), t, "GET", s.URL))
	if err != nil {
		t.Fatal(err)
	}
	gone("aged")
	kept := client(t, options())
	_, err = call(kept, get(t.Context(), t, "GET", s.URL))
	if err != nil {
		t.Fatal(err)
	}
	kept.CloseIdleConnections()
	gone("closed")
	_, err = call(kept, get(t.Context(), t, "GET", s.URL))
	if err != nil {
		t.Fatal(err)
	}
	gone("used after it was closed")
}
