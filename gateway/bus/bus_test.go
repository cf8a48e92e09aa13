package bus_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/deploy/devstack/bubble"
	"github.com/vigil-gateway/vigil/gateway/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A broker that takes connections and never answers is left for good when the
// client closes, also by the connection that is in use.
func TestCloseLeavesNoConnection(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c := bus.New(bus.Options{Brokers: []string{l.Addr().String()}, Gateway: "g", Topics: []string{"x"}, Timeout: 20 * time.Second})
	failed := make(chan error, 1)
	go func() {
		_, err := c.Partitions(t.Context(), "x")
		failed <- err
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	c.Close()
	_, err = io.Copy(io.Discard, conn)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		t.Logf("the connection ends with %v", err)
	}
	err = <-failed
	if err == nil {
		t.Error("Partitions() = nil after Close")
	}
	_, err = c.Partitions(t.Context(), "x")
	if err == nil {
		t.Error("a closed client connects again")
	}
	c.Close() // Of what that attempt began.
}

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		b := bus.NewBackoff(100*time.Millisecond, 300*time.Millisecond)
		pause := func() time.Duration {
			began := time.Now()
			b.Pause(t.Context())
			return time.Since(began)
		}
		for i, most := range []time.Duration{100, 200, 300, 300} {
			most *= time.Millisecond
			if got := pause(); got < most/2 || got > most {
				t.Errorf("pause %d lasts %v, want %v to %v", i, got, most/2, most)
			}
		}
		b.Reset()
		if got := pause(); got > 100*time.Millisecond {
			t.Errorf("after Reset a pause lasts %v", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		b.Pause(ctx)
		if time.Since(began) > 0 {
			t.Error("a pause outlasts its context")
		}
	})
}
