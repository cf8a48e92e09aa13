package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// answer reads a request and sends a fixed answer.
func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, err := http.ReadRequest(bufio.NewReader(c))
		if err == nil {
			_, _ = io.WriteString(c, text)
		}
	}
}

// Every way in which an upstream fails has its status and code.
func TestUpstreamFaults(t *testing.T) {
	const refusing = "http://127.0.0.1:1" // A port that was freed could be another upstream's next.
	tests := map[string]struct {
		upstream string
		status   int
		code     string
	}{
		"refuses":          {refusing, 502, "upstream_refused"},
		"has no such name": {"http://upstream.invalid", 502, "upstream_refused"},
		"hangs":            {raw(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), 504, "upstream_timeout"},
		"resets": {raw(t, func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_ = c.(*net.TCPConn).SetLinger(0)
		}), 502, "upstream_reset"},
		"closes without a word":   {raw(t, answer("")), 502, "upstream_reset"},
		"speaks another protocol": {raw(t, answer("220 mail.example.com ESMTP\r\n")), 502, "upstream_protocol"},
		"has two lengths":         {raw(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")), 502, "upstream_protocol"},
		"speaks no TLS":           {strings.Replace(raw(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); _, _ = io.Copy(io.Discard, c) }), "http:", "https:", 1), 502, "upstream_refused"},
		"sends an endless header": {raw(t, func(c net.Conn) {
			_, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				return
			}
			_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for i := 0; err == nil && i < 1<<20; i++ {
				_, err = fmt.Fprintf(c, "X-%d: %s\r\n", i, strings.Repeat("x", 1000))
			}
		}), 502, "upstream_header_too_large"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, tt.upstream, func(c *proxy.Config) {
				if tt.code == "upstream_timeout" {
					c.HeaderTimeout = 50 * time.Millisecond
				}
			})
			res, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil))
			if err != nil {
				t.Fatal(err)
			}
			text := body(t, res)
			out := g.outcome(t)
			if res.StatusCode != tt.status || !strings.Contains(text, `"`+tt.code+`"`) || !strings.Contains(text, event.SupportCode("q1")) {
				t.Errorf("the client saw %d %s (%v)", res.StatusCode, text, out.Err)
			}
			if out.Status != tt.status || out.Reason != tt.code || out.Err == nil {
				t.Errorf("outcome = %+v", out)
			}
		})
	}
}

// An upstream that dies in the middle of its answer is not taken for complete.
func TestUpstreamResetsInTheMiddle(t *testing.T) {
	for name, text := range map[string]string{
		"with a length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
		"chunked":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"bad chunk":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense",
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, raw(t, answer(text)))
			res, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil))
			if err == nil {
				_, err = io.ReadAll(res.Body)
				_ = res.Body.Close()
			}
			if err == nil {
				t.Error("the client took half an answer for a whole one")
			}
			if out := g.outcome(t); out.Reason != "upstream_reset" || !out.Abort || out.Status != 200 {
				t.Errorf("outcome = %+v", out)
			}
		})
	}
}

// What the client does wrong is status 400 and not the upstream's fault.
func TestClientFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		request, code string
		status        int
	}{
		"bad chunk size":     {"Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n", "malformed_request", 400},
		"bad end of a chunk": {"Transfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n0\r\n\r\n", "malformed_request", 400},
		"body over the limit": {
			"Content-Length: 3000\r\n\r\nabc", "request_too_large", 413,
		},
		"chunked body over the limit": {
			"Transfer-Encoding: chunked\r\n\r\n800\r\n" + strings.Repeat("x", 2048) + "\r\n0\r\n\r\n", "request_too_large", 413,
		},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := upstream(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
			g := newRig(t, url, func(c *proxy.Config) { c.BodyBytesMax = 2000 })
			conn := g.dial(t)
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\n"+tt.request)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			text := body(t, res)
			if res.StatusCode != tt.status || !res.Close || !strings.Contains(text, tt.code) {
				t.Errorf("the client saw %d, close %v, %s", res.StatusCode, res.Close, text)
			}
			if out := g.outcome(t); out.Reason != tt.code || out.Status != tt.status {
				t.Errorf("outcome = %+v", out)
			}
		})
	}
}

// A client that goes away in the middle is noticed, and its upstream is freed.
func TestClientGoesAway(t *testing.T) {
	for name, request := range map[string]string{
		"while waiting": "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"in its body":   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc",
	} {
		t.Run(name, func(t *testing.T) {
			arrived := make(chan struct{}, 1)
			url, ended := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
				arrived <- struct{}{}
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			})
			g := newRig(t, url)
			conn := g.dial(t)
			_, _ = io.WriteString(conn, request)
			await(t, arrived, "the request to arrive")
			_ = conn.Close()
			ends(t, ended)
			if out := g.outcome(t); out.Status != 499 || out.Reason != "client_closed_request" {
				t.Errorf("outcome = %+v", out)
			}
		})
	}
}

// What only the gateway may say does not come through, however it is spelled.
func TestHeadersThatReachTheUpstream(t *testing.T) {
	seen := make(chan *http.Request, 1)
	url, _ := upstream(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r })
	g := newRig(t, url, func(c *proxy.Config) { c.StripHeaders = []string{"X-User"} })
	conn := g.dial(t)
	_, _ = io.WriteString(conn, strings.ReplaceAll(`GET /path?q=1&q=%2F HTTP/1.1
Host: gateway.example
X-Vigil-Subject: admin
x_vigil_subject: admin
X-VIGIL_session: admin
X-Forwarded-For: 10.0.0.1
X_Forwarded_For: 10.0.0.1
X-Forwarded-Anything: x
Forwarded: for=10.0.0.1
X-Real-IP: 10.0.0.1
X_Real_IP: 10.0.0.1
X-Request-Id: mine
Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
X-HTTP-Method-Override: DELETE
X-Original-URL: /admin
X_User: admin
Connection: close, X-Named, te
X-Named: hop
TE: trailers, gzip
Keep-Alive: 5
Proxy-Authorization: Basic eA==
Upgrade: h2c
HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA
Authorization: Bearer t
Cookie: a=b
X-App: kept

`, "\n", "\r\n"))
	r := await(t, seen, "the request")
	want := http.Header{
		"Authorization": {"Bearer t"}, "Cookie": {"a=b"}, "X-App": {"kept"}, "Te": {"trailers"},
		"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"gateway.example"},
		"Forwarded": {`for=203.0.113.9;host="gateway.example";proto=https`}, "X-Vigil-Subject": {"pseudonym"},
	}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if r.RequestURI != "/path?q=1&q=%2F" || !strings.HasPrefix(url, "http://"+r.Host) {
		t.Errorf("target %s at %s", r.RequestURI, r.Host)
	}
}

// What an upstream says to the proxy, or to lead clients around it, stays here.
func TestHeadersThatReachTheClient(t *testing.T) {
	g := newRig(t, raw(t, answer("HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\nAlt-Svc: h3=\":443\"\r\n"+
		"X-Vigil-Subject: admin\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Request-Id: theirs\r\nX-App: kept\r\nContent-Length: 0\r\n\r\n")))
	res, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil))
	if err != nil {
		t.Fatal(err)
	}
	body(t, res)
	res.Header.Del("Date")
	want := http.Header{
		"Location": {"http://elsewhere.example/"}, "X-App": {"kept"}, "X-Request-Id": {"q1"}, "Content-Length": {"0"},
	}
	if diff := cmp.Diff(want, res.Header); diff != "" || res.StatusCode != 302 {
		t.Errorf("status %d, headers (-want +got):\n%s", res.StatusCode, diff)
	}
}

// Bodies, trailers and statuses pass unchanged, over both protocols.
func TestForwards(t *testing.T) {
	url, _ := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(http.StatusTeapot)
		n, _ := w.Write(b)
		w.Header().Set("X-Sum", fmt.Sprint(n))
		w.Header().Set(http.TrailerPrefix+"X-Late", "yes")
	})
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, url)
			text := strings.Repeat("0123456789", 20_000)
			for _, chunked := range []bool{false, true} {
				var b io.Reader = strings.NewReader(text)
				if chunked {
					b = io.MultiReader(b)
				}
				res, err := g.client(t, h2).Do(g.request(t, "PUT", "/", "s", b))
				if err != nil {
					t.Fatal(err)
				}
				got := body(t, res)
				if res.StatusCode != http.StatusTeapot || got != text {
					t.Errorf("status %d, %d bytes", res.StatusCode, len(got))
				}
				if diff := cmp.Diff(http.Header{"X-Sum": {"200000"}, "X-Late": {"yes"}}, res.Trailer); diff != "" {
					t.Errorf("trailers (-want +got):\n%s", diff)
				}
				if out := g.outcome(t); out.BytesIn != 200_000 || out.BytesOut != 200_000 || out.Reason != "" {
					t.Errorf("outcome = %+v", out)
				}
			}
			res, err := g.client(t, h2).Do(g.request(t, "HEAD", "/", "s", nil))
			if err != nil || res.StatusCode != http.StatusTeapot {
				t.Fatalf("HEAD: %v, %v", res, err)
			}
			_ = res.Body.Close()
			g.outcome(t)
		})
	}
}

// A tunnel to anywhere is not given.
func TestConnectIsRefused(t *testing.T) {
	g := newRig(t, "http://127.0.0.1:1")
	conn := g.dial(t)
	_, _ = io.WriteString(conn, "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Fatalf("the client saw %v, %v", res, err)
	}
	body(t, res)
	g.outcome(t)
}

// All faults come at once.
func TestConfigNamesEveryFault(t *testing.T) {
	err := proxy.Config{BodyBytesMax: -1, StripHeaders: []string{""}}.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 12 {
		t.Errorf("Validate() = %v", err)
	}
	if proxy.DefaultConfig().Validate() != nil {
		t.Error("the default configuration is not valid")
	}
}
