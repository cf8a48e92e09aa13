package gateway_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"

	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// A WebSocket over HTTP/2 is admitted, cut and accounted for as one over HTTP/1.1
// is: its route's methods, a read-only session and a verdict hold for it.
func TestWebSocketOverHTTP2(t *testing.T) {
	g := newRig(t, app)
	g.config.Listen.H2C = true
	g.start(t, true)
	dial := func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	tr := &http2.Transport{AllowHTTP: true, DialTLSContext: dial} //nolint:staticcheck // Unlike net/http's it sends an extended CONNECT.
	h2 := &http.Client{Transport: tr}
	t.Cleanup(h2.CloseIdleConnections)
	open := func(path, user string) (int, io.Reader) {
		out, in := io.Pipe()
		t.Cleanup(func() { _ = in.Close() })
		r := g.request(t, http.MethodConnect, path, g.token(user), out)
		r.Header[":protocol"] = []string{"websocket"}
		r.Header.Set("Sec-Websocket-Version", "13")
		res, err := h2.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res.StatusCode, res.Body
	}
	g.revoke(t, verdict.ActionReadOnly, verdict.TargetSession, g.session("reader"))
	opened, thief := open("/events", "thief")
	wrong, _ := open("/write", "thief")
	reader, _ := open("/events", "reader")
	got := []int{opened, wrong, reader}
	if diff := cmp.Diff([]int{200, 405, 403}, got); diff != "" {
		t.Errorf("opened, on a route for POST alone, by a session that may only read (-want +got):\n%s", diff)
	}
	g.revoke(t, verdict.ActionRevoke, verdict.TargetSession, g.session("thief"))
	b, err := io.ReadAll(thief)
	if err != nil || len(b) < 4 || b[0] != 0x88 || int(b[2])<<8|int(b[3]) != 1008 {
		t.Errorf("the thief saw %q, %v", b, err)
	}
	if status, _ := open("/events", "thief"); status != http.StatusUnauthorized {
		t.Errorf("the thief's next: %d", status)
	}
	err = g.stop()
	if err != nil {
		t.Fatal(err)
	}
	var phases []string
	for _, e := range g.events(t)["events"] {
		if e.GetStream() == event.StreamWebSocket {
			phases = append(phases, e.GetPhase()+" "+e.GetDecision()+" "+e.GetMethod())
		}
	}
	if diff := cmp.Diff([]string{"open permit GET", "close cut GET"}, phases); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
