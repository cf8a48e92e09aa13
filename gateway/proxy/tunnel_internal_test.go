package proxy

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"
)

// timedWire is a client that takes what comes before its deadline, by a clock that
// stands still.
type timedWire struct {
	io.Reader

	now   *time.Time
	until time.Time
	got   bytes.Buffer
}

func (w *timedWire) SetDeadline(at time.Time) error {
	w.until = at
	return nil
}

func (w *timedWire) Write(p []byte) (int, error) {
	if !w.now.Before(w.until) {
		return 0, os.ErrDeadlineExceeded
	}
	return w.got.Write(p)
}

func (w *timedWire) Close() error { return nil }

// TestALateGoodbyeIsSaid checks that a client hears why even where the gateway comes to
// write it only when the time of the cut is over.
func TestALateGoodbyeIsSaid(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	client := &timedWire{now: &now}
	cut := &tunnel{client: client, up: &timedWire{now: &now}, goodbye: time.Second, now: func() time.Time { return now }}
	f := farewell{code: closePolicy, reason: "revoked"}
	cut.end(f)
	now = now.Add(2 * time.Second)
	cut.part(&f)
	if want := closeFrame(closePolicy, "revoked"); !bytes.Equal(client.got.Bytes(), want) {
		t.Errorf("the client got %x, want %x", client.got.Bytes(), want)
	}
	if !client.until.Equal(now.Add(time.Second)) {
		t.Errorf("it may take until %s, now is %s", client.until, now)
	}
}
