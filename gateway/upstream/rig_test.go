package upstream_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/upstream"
)

// scripted is a service that answers each request on a connection with the next
// of its answers, whatever was asked, and then closes the connection.
type scripted struct {
	net.Listener

	conns    atomic.Int64
	requests atomic.Int64
}

// script starts one. Every connection gets all answers.
func script(t *testing.T, answers ...string) *scripted {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			go s.serve(c, answers)
		}
	}()
	return s
}

func (s *scripted) serve(c net.Conn, answers []string) {
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	for _, a := range answers {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		s.requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(c, a)
	}
}

func (s *scripted) url() string { return "http://" + s.Addr().String() + "/path?q=1" }

func options() upstream.Options {
	return upstream.Options{
		Dial: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, HeaderTimeout: 5 * time.Second, HeaderBytesMax: 8 << 10,
		ConnectionsMax: 100, IdleMax: 10, IdleTimeout: time.Minute, Now: time.Now,
	}
}

func client(t *testing.T, o upstream.Options) *upstream.Client {
	t.Helper()
	c, err := upstream.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func get(ctx context.Context, t *testing.T, method, to string) *http.Request {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(ctx, method, "/", http.NoBody)
	r.RequestURI, r.URL, r.Host = "", u, u.Host
	return r
}

// seen is what a caller makes of a response.
type seen struct {
	Status        int
	Header        http.Header
	Trailer       http.Header
	Body          string
	ContentLength int64
	Failed        bool // Any error: texts differ.
}

// call does one exchange.
func call(rt http.RoundTripper, r *http.Request) (s seen, err error) {
	res, err := rt.RoundTrip(r)
	if err != nil {
		return seen{Failed: true}, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return seen{
		Status: res.StatusCode, Header: res.Header, Trailer: res.Trailer, Body: string(b), ContentLength: res.ContentLength, Failed: err != nil,
	}, err
}
