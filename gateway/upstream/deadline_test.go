package upstream_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// dated notes the deadlines of a connection: of each write, and the last one.
type dated struct {
	*net.TCPConn

	now    time.Time // Of the client.
	last   time.Time
	writes []time.Time
}

func (d *dated) SetDeadline(t time.Time) error {
	d.last = t
	return nil // The client's clock is none.
}

func (d *dated) Write(b []byte) (int, error) {
	d.writes = append(d.writes, d.last)
	return d.TCPConn.Write(b)
}

// The deadline of a header is not that of the body, which may take longer, and each
// request has its own, also on a connection on which the last one's was left.
func TestDeadlinesOfHeaders(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	rest := make(chan string)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		in := bufio.NewReader(c)
		for _, text := range []string{"he", "hello"} {
			_, err = http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"+text)
			_, _ = io.WriteString(c, <-rest)
		}
	}()

	o := options()
	conn := &dated{now: time.Unix(1_000_000_000, 0)}
	o.Now = func() time.Time { return conn.now }
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		n, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn.TCPConn = n.(*net.TCPConn) //nolint:forcetypeassert // It is TCP.
		return conn, nil
	}
	c := client(t, o)
	var begun []time.Time
	for _, later := range []string{"llo", ""} {
		begun = append(begun, conn.now.Add(o.HeaderTimeout))
		res, err := c.RoundTrip(get(t.Context(), t, "GET", "http://"+l.Addr().String()))
		if err != nil {
			t.Fatal(err)
		}
		if later != "" && !conn.last.IsZero() {
			t.Errorf("the rest of the body has a deadline: %v", conn.last)
		}
		rest <- later
		b, err := io.ReadAll(res.Body)
		if err != nil || string(b) != "hello" {
			t.Fatalf("body %q, %v", b, err)
		}
		_ = res.Body.Close()
		conn.now = conn.now.Add(time.Hour)
	}
	if diff := cmp.Diff(begun, conn.writes); diff != "" {
		t.Errorf("deadlines of the requests (-want +got):\n%s", diff)
	}
}
