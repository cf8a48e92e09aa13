//go:build linux

package benchgateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
	"github.com/vigil-gateway/vigil/cmd/internal/keys"
	"github.com/vigil-gateway/vigil/cmd/internal/telemetry"
	"github.com/vigil-gateway/vigil/deploy/devstack/broker"
	"github.com/vigil-gateway/vigil/gateway"
	"github.com/vigil-gateway/vigil/gateway/identity"
	"github.com/vigil-gateway/vigil/gateway/route"
)

// service answers every request with bodyBytes, and allocates nothing for it, until the
// benchmark ends.
func service(tb testing.TB) string {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", bodyBytes))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				buf, have := make([]byte, answerBytesMax), 0
				for {
					n, err := c.Read(buf[have:])
					if err != nil {
						return
					}
					have += n
					if !bytes.HasSuffix(buf[:have], []byte("\r\n\r\n")) {
						continue
					}
					have = 0
					_, err = c.Write(answer)
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// shipped is a gateway with the configuration and telemetry that it ships with, between
// an embedded Kafka and a service, as a measurement has it; and what is sent to it.
func shipped(tb testing.TB) (netip.AddrPort, [][]byte) {
	tb.Helper()
	dir := tb.TempDir()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.Close)
	files, err := keys.Init(dir)
	if err == nil {
		_, err = keys.AddGateway(dir, warmID, time.Now())
	}
	if err != nil {
		tb.Fatal(err)
	}
	m, err := newMint(time.Now())
	if err == nil {
		err = m.write(dir)
	}
	if err != nil {
		tb.Fatal(err)
	}
	requests, err := m.requests(es256, 100)
	if err != nil {
		tb.Fatal(err)
	}
	c := config.DefaultGateway()
	c.ID, c.TenantKeyFile, c.Kafka.Brokers = warmID, files.TenantKey, []string{b.Addr()}
	c.Emit.KeyFile, c.Keys.KeySetFile, c.Keys.RootPublicFile = keys.GatewayKey(dir, warmID), files.KeySet, files.RootPublic
	c.Revoke.Dir, c.Listen.Address, c.Admin.Address = filepath.Join(dir, "state"), "127.0.0.1:0", "127.0.0.1:0"
	c.Identity.Issuers = []identity.Issuer{{Issuer: issuer, Audiences: []string{audience}, JWKSFile: filepath.Join(dir, "jwks.json")}}
	c.Routes = []route.Spec{{ID: "orders", Path: "/api/v1/orders/{order}", Upstream: service(tb)}}
	t, err := telemetry.Setup(tb.Context(), telemetry.Options{
		Config: c.Telemetry, Log: c.Log, Service: "vigil-gateway", Stderr: io.Discard, Now: time.Now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	g, err := gateway.New(gateway.Options{
		Config: c.Config, Logger: t.Logger(), Meter: t.Meter("vigil/gateway"), Tracer: t.Tracer("vigil/gateway"), Now: time.Now, Metrics: t.Metrics(),
	})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- g.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		err := <-ended
		if err != nil {
			tb.Error(err)
		}
	})
	caughtUp(tb, g)
	return netip.MustParseAddrPort(g.Addr().String()), requests
}

// caughtUp waits until a gateway has read all verdicts.
func caughtUp(tb testing.TB, g *gateway.Gateway) {
	tb.Helper()
	var said books
	for deadline := time.Now().Add(startMax); said.Feed != "known"; time.Sleep(lookGap) {
		if time.Now().After(deadline) {
			tb.Fatalf("not ready: %+v", said)
		}
		r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, "http://"+g.AdminAddr().String()+"/readyz?verbose", http.NoBody)
		if err != nil {
			tb.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			tb.Fatal(err)
		}
		err = json.NewDecoder(res.Body).Decode(&said)
		_ = res.Body.Close()
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkRequest is the whole path of a request whose token has been seen before, as
// shipped: time and allocations hold those of the embedded Kafka for each batch, but
// none of client and service.
func BenchmarkRequest(b *testing.B) {
	at, requests := shipped(b)
	send := func(n int) {
		y, err := load{to: at, requests: requests, conns: 64, count: n}.run()
		if err != nil || y.good != n {
			b.Fatalf("%d of %d requests were let through: %v", y.good, n, err)
		}
	}
	send(2 * len(requests)) // Every token is verified, every connection open.
	began, err := processorOfSelf()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	send(b.N)
	b.StopTimer()
	ended, err := processorOfSelf()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((ended-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
}
