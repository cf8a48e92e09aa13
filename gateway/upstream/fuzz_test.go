package upstream_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/vigil-gateway/vigil/gateway/upstream"
)

// FuzzResponse lets both clients read the same bytes: whatever this one takes,
// net/http takes too and reads the same out of it.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.0 200 OK\n\nold", "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 204 x\r\n\r\n", "HTTP/1.1 304 x\r\nContent-Length: 7\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		if len(answer) > 4<<10 {
			return
		}
		got, err := call(over(t, answer), get(t.Context(), t, "GET", "http://service/"))
		if err != nil {
			return // It may be the stricter.
		}
		std := &http.Transport{DialContext: dial(answer), DisableCompression: true, DisableKeepAlives: true}
		want, err := call(std, get(t.Context(), t, "GET", "http://service/"))
		if err != nil {
			t.Fatalf("net/http refuses what was taken as %+v: %v", got, err)
		}
		if got.Status != want.Status || got.Body != want.Body || got.ContentLength != want.ContentLength {
			t.Errorf("read as %+v, by net/http as %+v", got, want)
		}
	})
}

// dial returns connections that have been answered already.
func dial(answer []byte) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			var b [1 << 10]byte
			_, _ = far.Read(b[:])
			go func() { _, _ = io.Copy(io.Discard, far) }()
			_, _ = io.Copy(far, bytes.NewReader(answer))
			_ = far.Close()
		}()
		return near, nil
	}
}

func over(t *testing.T, answer []byte) *upstream.Client {
	t.Helper()
	o := options()
	o.Dial = dial(answer)
	return client(t, o)
}
