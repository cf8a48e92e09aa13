package listen_test

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/vigil-gateway/vigil/gateway/guard"
	"github.com/vigil-gateway/vigil/gateway/listen"
)

// budgeted starts a listener on which an address may have two connections, and ten
// handshakes in all.
func budgeted(t *testing.T, change ...func(*listen.Options)) *server {
	t.Helper()
	c := guard.DefaultConfig()
	c.ConnectionsMax, c.Handshakes = 2, guard.Allowance{PerMinute: 1, Burst: 10}
	b, err := guard.New(guard.Options{Config: c, Logger: slog.New(slog.DiscardHandler), Meter: noop.Meter{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, http.HandlerFunc(remote), append(change, func(o *listen.Options) { o.Budgets = b })...)
}

// open connects from an address of this machine, writes raw bytes, and reports
// whether they were answered; the connection stays open until it is closed.
func (s *server) open(t *testing.T, from, raw string) (c net.Conn, answered bool) {
	t.Helper()
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	err = c.SetDeadline(time.Now().Add(20 * time.Second)) // A hang is a failure.
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(c, raw)
	if err != nil {
		return c, false
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return c, false
	}
	return c, resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// eventually tries until f succeeds: a place is free a moment after its connection
// has been closed.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

func TestAddressHasItsShareOfConnections(t *testing.T) {
	s := budgeted(t)
	first, one := s.open(t, "127.0.0.1", get)
	_, two := s.open(t, "127.0.0.1", get)
	_, three := s.open(t, "127.0.0.1", get)
	_, other := s.open(t, "127.0.0.2", get)
	if !one || !two || three || !other {
		t.Errorf("answers: %v %v %v, another address: %v; want the third alone refused", one, two, three, other)
	}
	_ = first.Close()
	eventually(t, "the place of a closed connection is not free again", func() bool {
		_, answered := s.open(t, "127.0.0.1", get)
		return answered
	})
}

func TestAddressHasItsShareOfHandshakes(t *testing.T) {
	s := budgeted(t)
	answers := 0
	for range 30 {
		c, answered := s.open(t, "127.0.0.1", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if answered {
			answers++
		}
		_, _ = io.Copy(io.Discard, c) // Until the server has closed it.
		_ = c.Close()
	}
	_, other := s.open(t, "127.0.0.2", get)
	if answers == 0 || answers > 10 || !other {
		t.Errorf("%d of 30 connections one after the other are answered, another address: %v; want at most ten, and yes", answers, other)
	}
}

// Behind a balancer each client has a share of its own, the balancer's look at our
// health has none, and a header from anybody else buys nothing.
func TestBalancersClientsHaveTheirShares(t *testing.T) {
	s := budgeted(t, func(o *listen.Options) {
		o.Config.ProxyProtocol.Trusted = []string{"127.0.0.3", "127.0.1.0/24"}
	})
	from := func(client string) string { return "PROXY TCP4 " + client + " 192.0.2.1 40000 443\r\n" + get }
	first, one := s.open(t, "127.0.0.3", from("203.0.113.9"))
	_, two := s.open(t, "127.0.1.7", from("203.0.113.9"))
	_, three := s.open(t, "127.0.0.3", from("203.0.113.9"))
	_, other := s.open(t, "127.0.0.3", from("203.0.113.10"))
	if !one || !two || three || !other {
		t.Errorf("answers: %v %v %v, another client: %v; want the third alone refused", one, two, three, other)
	}
	for range 5 {
		if _, answered := s.open(t, "127.0.0.3", "PROXY UNKNOWN\r\n"+get); !answered {
			t.Fatal("the balancer's own connection is refused")
		}
	}
	_ = first.Close()
	eventually(t, "the place of a closed connection is not free again", func() bool {
		_, answered := s.open(t, "127.0.0.3", from("203.0.113.9"))
		return answered
	})
	for range 2 {
		if _, answered := s.open(t, "127.0.0.1", get); !answered {
			t.Fatal("a client that comes by itself is refused")
		}
	}
	if _, answered := s.open(t, "127.0.0.1", get); answered {
		t.Error("a client that comes by itself has more than its share")
	}
}

// A connection that is closed before its first byte gives back nothing that it has not
// taken.
func TestSilentConnectionsBehindABalancer(t *testing.T) {
	s := budgeted(t, func(o *listen.Options) { o.Config.ProxyProtocol.Trusted = []string{"127.0.0.3"} })
	for range 20 {
		d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.3")}}
		c, err := d.DialContext(t.Context(), "tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	const raw = "PROXY TCP4 203.0.113.9 192.0.2.1 40000 443\r\n" + get
	_, one := s.open(t, "127.0.0.3", raw)
	_, two := s.open(t, "127.0.0.3", raw)
	_, three := s.open(t, "127.0.0.3", raw)
	if !one || !two || three {
		t.Errorf("answers: %v %v %v, want the third alone refused", one, two, three)
	}
}
