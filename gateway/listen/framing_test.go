package listen_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/vigil-gateway/vigil/gateway/listen"
)

// What a handler must never see, whoever refuses it: net/http, or Strict where
// net/http lets it pass.
func TestMalformedFraming(t *testing.T) {
	const host = "Host: a.example\r\n"
	tests := map[string]struct {
		raw    string
		status int // 0: the connection is closed without an answer.
	}{
		"good request":                        {"GET / HTTP/1.1\r\n" + host + "\r\n", 200},
		"good chunked body":                   {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 200},
		"no request at all":                   {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		"no host":                             {"GET / HTTP/1.1\r\n\r\n", 400},
		"two hosts":                           {"GET / HTTP/1.1\r\n" + host + "Host: b.example\r\n\r\n", 400},
		"the same host twice":                 {"GET / HTTP/1.1\r\n" + host + host + "\r\n", 400},
		"empty host":                          {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
		"user in the host":                    {"GET / HTTP/1.1\r\nHost: u@a.example\r\n\r\n", 400},
		"path in the host":                    {"GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n", 400},
		"bad port in the host":                {"GET / HTTP/1.1\r\nHost: a.example:99999\r\n\r\n", 400},
		"two ports in the host":               {"GET / HTTP/1.1\r\nHost: a.example:80:80\r\n\r\n", 400},
		"comma in the host":                   {"GET / HTTP/1.1\r\nHost: a.example,b.example\r\n\r\n", 400},
		"unclosed bracket in the host":        {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
		"host that is an address":             {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200},
		"absolute form for another host":      {"GET http://b.example/ HTTP/1.1\r\n" + host + "\r\n", 400},
		"absolute form for the same host":     {"GET http://a.example/ HTTP/1.1\r\n" + host + "\r\n", 400},
		"user in the target":                  {"GET http://u:p@a.example/ HTTP/1.1\r\n" + host + "\r\n", 400},
		"query with a number sign":            {"GET /?a#b HTTP/1.1\r\n" + host + "\r\n", 400},
		"space before the colon":              {"GET / HTTP/1.1\r\n" + host + "Content-Length : 3\r\n\r\nabc", 400},
		"space in a header name":              {"GET / HTTP/1.1\r\n" + host + "Content Length: 3\r\n\r\nabc", 400},
		"nul in a header":                     {"GET / HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n", 400},
		"bare carriage return in a header":    {"GET / HTTP/1.1\r\n" + host + "X: a\rb\r\n\r\n", 400},
		"transfer-encoding: identity":         {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n\r\n", 501},
		"transfer-encoding: chunked,identity": {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, identity\r\n\r\n", 501},
		"transfer-encoding twice":             {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
		"transfer-encoding with a tab":        {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding:\tx\tchunked\r\n\r\n", 501},
		"transfer-encoding, vertical tab":     {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400},
		"two content-lengths":                 {"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
		"content-length with a sign":          {"POST / HTTP/1.1\r\n" + host + "Content-Length: +3\r\n\r\nabc", 400},
		"content-length in hex":               {"POST / HTTP/1.1\r\n" + host + "Content-Length: 0x3\r\n\r\nabc", 400},
		"content-length list":                 {"POST / HTTP/1.1\r\n" + host + "Content-Length: 3, 3\r\n\r\nabc", 400},
		"empty content-length":                {"POST / HTTP/1.1\r\n" + host + "Content-Length: \r\n\r\nabc", 400},
		"http/1.1 with a bad version":         {"GET / HTTP/1.10\r\n" + host + "\r\n", 400},
		"http/3":                              {"GET / HTTP/3.0\r\n" + host + "\r\n", 505},
		"header that is too large":            {"GET / HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 128<<10) + "\r\n\r\n", 431},
		"unknown expectation":                 {"GET / HTTP/1.1\r\n" + host + "Expect: miracle\r\n\r\n", 417},
		"chunk size that is no number":        {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n", 422},
		"chunk without its end":               {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", 422},
		"chunk size of more than 64 bits":     {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n", 422},
		"chunk extension with a line feed":    {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1;x\n2\r\na\r\n0\r\n\r\n", 422},
		"chunk extension without an end":      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 64<<10) + "\r\na\r\n0\r\n\r\n", 422},
	}
	var seen atomic.Int64
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		_, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			w.WriteHeader(http.StatusUnprocessableEntity) // The proxy's answer is 400; here it only has to be told apart.
		}
	}))
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := seen.Load()
			status, closed := s.send(t, tt.raw)
			if status != tt.status {
				t.Fatalf("answer is %d, want %d", status, tt.status)
			}
			if reached := seen.Load() > before; reached != (status == 200 || status == 422) && status != 417 {
				t.Errorf("handler reached: %t", reached)
			}
			if status == 400 && !closed {
				t.Error("the connection stays open behind a malformed request")
			}
		})
	}
}

// An upstream that speaks HTTP/1 would find its protocol version in the middle
// of the target.
func TestQueryThatEndsTheRequestLine(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("handler saw %q", r.RequestURI) }),
		func(o *listen.Options) { o.Config.H2C = true })
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr().String()+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.URL.RawQuery = "a HTTP/1.1"
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("answer is %s %d, want HTTP/2.0 400", resp.Proto, resp.StatusCode)
	}
}

// What no handler sees yields no event: it is counted here or nowhere.
func TestMalformedRequestsAreCounted(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	s := serve(t, http.NotFoundHandler(), func(o *listen.Options) {
		o.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
	})
	s.send(t, "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
	s.send(t, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
	var data metricdata.ResourceMetrics
	err := reader.Collect(t.Context(), &data)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int64)
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			for i := 0; ok && i < len(sum.DataPoints); i++ {
				code, _ := sum.DataPoints[i].Attributes.Value("code")
				got[m.Name+" "+code.AsString()] += sum.DataPoints[i].Value
			}
		}
	}
	if diff := cmp.Diff(map[string]int64{"vigil.gateway.requests.malformed malformed_request": 1}, got); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// These pass net/http and cannot be seen by a handler any more. What counts is
// that they have one meaning here, and that nothing of them is left to forward.
func TestFramingThatNetHTTPMakesUniform(t *testing.T) {
	tests := map[string]string{
		"content-length beside chunked": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"bare line feeds":               "POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello",
		"folded header":                 "POST / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
	}
	type seen struct {
		body, folded string
		length       int64
		header       http.Header
	}
	got := make(chan seen, 1)
	s := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- seen{string(body), r.Header.Get("X"), r.ContentLength, r.Header}
	}))
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			status, _ := s.send(t, raw)
			if status != 200 {
				t.Logf("refused with %d, which is as good", status)
				return
			}
			r := <-got
			if r.body != "hello" || strings.ContainsAny(r.folded, "\r\n") || len(r.header["Transfer-Encoding"]) > 0 {
				t.Errorf("handler saw %+v", r)
			}
			if name == "content-length beside chunked" && (r.length != -1 || len(r.header["Content-Length"]) > 0) {
				t.Errorf("the length is still there: %+v", r)
			}
		})
	}
}

func TestUpgradesOtherThanWebSocketAreDeclined(t *testing.T) {
	got := make(chan http.Header, 1)
	s := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	for upgrade, want := range map[string]string{"h2c": "", "WebSocket": "WebSocket", "websocket, h2c": "", "TLS/1.0": ""} {
		status, _ := s.send(t, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: "+upgrade+"\r\n\r\n")
		if status != 200 {
			t.Fatalf("answer is %d", status)
		}
		h := <-got
		if h.Get("Upgrade") != want || h.Get("Http2-Settings") != "" {
			t.Errorf("upgrade to %q arrives as %v", upgrade, h)
		}
	}
}

// HTTP/2 can carry a method that the request line of an HTTP/1 upstream cannot. It is the
// client's fault, and must not look like the upstream's that is never asked.
func TestAMethodThatEndsTheRequestLine(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), func(o *listen.Options) { o.Config.H2C = true })
	for method, want := range map[string]string{
		"GET": "200", "M-SEARCH": "200", "get": "200",
		"GET /x HTTP/1.1": "400", "GE\tT": "400", `"GET"`: "400", "GET:": "400", "G\u00cbT": "400",
	} {
		conn, err := (&net.Dialer{Timeout: time.Minute}).DialContext(t.Context(), "tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		var head bytes.Buffer
		fields := hpack.NewEncoder(&head)
		for _, f := range []hpack.HeaderField{
			{Name: ":method", Value: method}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"}, {Name: ":authority", Value: "a.example"},
		} {
			err = errors.Join(err, fields.WriteField(f))
		}
		_, err2 := io.WriteString(conn, http2.ClientPreface)
		frames := http2.NewFramer(conn, conn)
		err = errors.Join(err, err2, frames.WriteSettings(), frames.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 1, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: true,
		}))
		got := ""
		for err == nil && got == "" {
			var f http2.Frame
			f, err = frames.ReadFrame()
			if h, ok := f.(*http2.HeadersFrame); ok {
				answer, _ := hpack.NewDecoder(4096, nil).DecodeFull(h.HeaderBlockFragment())
				got = answer[0].Value
			}
		}
		_ = conn.Close()
		if got != want {
			t.Errorf("%q: status %q, %v, want %s", method, got, err, want)
		}
	}
}
