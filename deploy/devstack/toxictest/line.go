package toxictest

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Streams of a line.
const (
	Requests = "upstream"   // What the client says.
	Answers  = "downstream" // What the server says.
)

// Line is the way to one server.
type Line struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
}

// New opens a line to a server, host:port, on which nothing is wrong yet.
func New(t *testing.T, server string) *Line {
	t.Helper()
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := &Line{t: t, proxy: toxiproxy.NewProxy(api, t.Name(), "127.0.0.1:0", server)}
	err := l.proxy.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.proxy.Stop)
	return l
}

// Addr is where the line begins, host:port.
func (l *Line) Addr() string { return l.proxy.Listen }

// Dial goes over the line, whatever the address.
func (l *Line) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, l.Addr()) //nolint:wrapcheck // A dialer's own error.
}

// Silence lets nothing pass on a stream, and ends no connection.
func (l *Line) Silence(streams ...string) {
	l.t.Helper()
	for _, stream := range streams {
		l.add("silence "+stream, "timeout", stream, map[string]int{"timeout": 0})
	}
}

// Cut lets nothing pass on a stream, and ends each connection after so many milliseconds.
func (l *Line) Cut(stream string, milliseconds int) {
	l.t.Helper()
	l.add("cut "+stream, "timeout", stream, map[string]int{"timeout": milliseconds})
}

// Slow lets kilobytes a second pass, each piece later by so many milliseconds, in both directions.
func (l *Line) Slow(kilobytes, milliseconds int) {
	l.t.Helper()
	for _, stream := range []string{Requests, Answers} {
		l.add("late "+stream, "latency", stream, map[string]int{"latency": milliseconds})
		l.add("narrow "+stream, "bandwidth", stream, map[string]int{"rate": kilobytes})
	}
}

func (l *Line) add(name, kind, stream string, attributes map[string]int) {
	l.t.Helper()
	b, err := json.Marshal(map[string]any{"name": name, "type": kind, "stream": stream, "attributes": attributes})
	if err != nil {
		l.t.Fatal(err)
	}
	_, err = l.proxy.Toxics.AddToxicJson(strings.NewReader(string(b)))
	if err != nil {
		l.t.Fatal(err)
	}
}

// Heal takes everything bad from the line.
func (l *Line) Heal() { l.proxy.Toxics.ResetToxics(l.t.Context()) }
