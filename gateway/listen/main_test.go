package listen_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/gateway/listen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a running listener.
type server struct {
	*listen.Listener

	stop   context.CancelFunc
	served chan error // What Serve returned.
}

// serve starts a listener on a free port and stops it at the end of the test.
func serve(t *testing.T, h http.Handler, change ...func(*listen.Options)) *server {
	t.Helper()
	o := listen.Options{Config: listen.DefaultConfig(), Handler: h, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now}
	o.Config.Address = "127.0.0.1:0"
	o.Config.DrainTimeout = 10 * time.Second
	for _, f := range change {
		f(&o)
	}
	l, err := listen.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{Listener: l, stop: cancel, served: make(chan error, 1)}
	go func() {
		s.served <- l.Serve(ctx)
		close(s.served)
	}()
	t.Cleanup(func() {
		cancel()
		err := <-s.served
		if err != nil {
			t.Errorf("Serve() = %v", err)
		}
	})
	return s
}

// dial opens a connection that ends with the test.
func (s *server) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	err = c.SetDeadline(time.Now().Add(20 * time.Second)) // A hang is a failure.
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// send writes raw bytes and returns the status of the answer, 0 where the
// connection ended without one, and whether it was closed behind the answer.
func (s *server) send(t *testing.T, raw string) (status int, closed bool) {
	t.Helper()
	c := s.dial(t)
	_, err := io.WriteString(c, raw)
	if err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return 0, true
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	if !resp.Close {
		return resp.StatusCode, false
	}
	_, err = br.ReadByte()
	var timeout net.Error
	return resp.StatusCode, err != nil && (!errors.As(err, &timeout) || !timeout.Timeout())
}
