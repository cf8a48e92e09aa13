//go:build bench

package e2e_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// crowd asks ordinary questions at a steady rate: an open loop, whose sending
// times do not depend on the answers, over raw keep-alive connections, each with
// its own people. A connection has one request in flight at most; what is due
// meanwhile goes out late, and its latency counts from when it was due.
type crowd struct {
	desks []*desk
}

const (
	crowdDesks  = 64 // Connections.
	crowdPeople = 8  // Sessions per connection.
	lateAfter   = 100 * time.Millisecond
)

// desk is one connection.
type desk struct {
	conn     net.Conn
	in       *bufio.Reader
	requests [][]byte

	sent, late, failed int64
	took               []time.Duration
}

func newCrowd(t *testing.T, s *stack) *crowd {
	t.Helper()
	c := &crowd{}
	for i := range crowdDesks {
		conn, err := dialFrom(t.Context(), s.host(), address(home, 1000+i))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		d := &desk{conn: conn, in: bufio.NewReader(conn)}
		for p := range crowdPeople {
			token := s.token(fmt.Sprintf("person-%d-%d", i, p))
			for _, path := range []string{"/accounts/" + strconv.Itoa(1000+37*i+p), "/", "/accounts"} {
				d.requests = append(d.requests, []byte("GET "+path+" HTTP/1.1\r\nHost: "+s.host()+"\r\nUser-Agent: "+ownersAgent+"\r\nAuthorization: Bearer "+token+"\r\n\r\n"))
			}
		}
		c.desks = append(c.desks, d)
	}
	return c
}

// run sends -loop.rate requests a second for a time. Latencies of the last run
// are added to those of the runs before.
func (c *crowd) run(t *testing.T, lasts time.Duration) {
	t.Helper()
	pause := time.Second * crowdDesks / time.Duration(*loopRate)
	began := time.Now()
	var work sync.WaitGroup
	for i, d := range c.desks {
		work.Go(func() {
			for due := began.Add(pause * time.Duration(i) / crowdDesks); due.Sub(began) < lasts; due = due.Add(pause) {
				until(t.Context(), due)
				err := d.ask(due)
				if err != nil {
					d.failed++
					t.Errorf("desk %d: %v", i, err)
					return
				}
			}
		})
	}
	work.Wait()
}

// ask sends the next request and reads its answer.
func (d *desk) ask(due time.Time) error {
	if time.Since(due) > lateAfter {
		d.late++
	}
	req := d.requests[d.sent%int64(len(d.requests))]
	d.sent++
	_, err := d.conn.Write(req)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	line, err := d.in.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("read status: %w", err)
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answer %q to %q", line, req)
	}
	length := int64(-1)
	for {
		line, err = d.in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read header: %w", err)
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			length, err = strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return fmt.Errorf("read length: %w", err)
			}
		}
	}
	if length < 0 {
		return errors.New("answer has no length")
	}
	_, err = io.CopyN(io.Discard, d.in, length)
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	d.took = append(d.took, time.Since(due))
	return nil
}

func (c *crowd) sum(of func(*desk) int64) (n int64) {
	for _, d := range c.desks {
		n += of(d)
	}
	return n
}

func (c *crowd) sent() int64   { return c.sum(func(d *desk) int64 { return d.sent }) }
func (c *crowd) late() int64   { return c.sum(func(d *desk) int64 { return d.late }) }
func (c *crowd) failed() int64 { return c.sum(func(d *desk) int64 { return d.failed }) }

func (c *crowd) latency() (all []time.Duration) {
	for _, d := range c.desks {
		all = append(all, d.took...)
	}
	return all
}
