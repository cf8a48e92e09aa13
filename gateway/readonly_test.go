package gateway_test

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// A WebSocket that was opened before its session was held to reading would write
// for as long as it stays open.
func TestAWebSocketOpenedBeforeReadOnly(t *testing.T) {
	g := newRig(t, app)
	g.start(t, true)
	dial := func() (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(t.Context(), "ws://"+g.gateway.Addr().String()+"/events", &websocket.DialOptions{
			HTTPHeader: http.Header{"Authorization": {"Bearer " + g.token("ann")}},
		})
	}
	c, _, err := dial() //nolint:bodyclose // The connection has it.
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	g.revoke(t, verdict.ActionReadOnly, verdict.TargetSession, g.session("ann"))
	_, _, err = c.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("the WebSocket ended with %v, want status 1008", err)
	}
	_, res, err := dial() //nolint:bodyclose // It was read.
	if err == nil || res == nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("opened again: %v, want 403", err)
	}
}
