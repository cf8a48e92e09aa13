package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Who guesses the password of a blocked account must not get past the verdict by
// writing the account where the gateway does not look.
func TestGuessingABlockedAccountBehindPadding(t *testing.T) {
	g := newRig(t, app)
	g.start(t, true)
	g.revoke(t, verdict.ActionBlock, verdict.TargetAccount, g.names.Account("ann"))
	const form = "application/x-www-form-urlencoded"
	for name, tt := range map[string]struct {
		path, contentType, body string
		want                    int
	}{
		"plainly":            {"/login", form, "user=ann", 403},
		"behind 16 KiB":      {"/login", form, "p=" + strings.Repeat("x", route.SignInBodyBytesMax) + "&user=ann", 413},
		"behind another":     {"/login", form, "user=bob&user=ann", 400},
		"in the query":       {"/login?user=ann", form, "p=x", 403},
		"in the query alone": {"/login?user=ann", "", "", 403},
		"as JSON":            {"/login", "application/json", `{"user":"ann"}`, 403},
		"under a wrong type": {"/login", form + ";x", "user=ann", 400},
		"somebody else's":    {"/login", form, "user=bob&password=right", 200},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.request(t, "POST", tt.path, "", strings.NewReader(tt.body))
			if tt.contentType != "" {
				r.Header.Set("Content-Type", tt.contentType)
			}
			res, body := do(t, r)
			if res.StatusCode != tt.want {
				t.Errorf("%d %s, want %d", res.StatusCode, body, tt.want)
			}
		})
	}
}

// A sign-in is read before it is listed, so that no verdict and no idle time ends
// a client who holds its body back: the wait for it has an end of its own.
func TestASignInWhoseBodyNeverComes(t *testing.T) {
	g := newRig(t, app)
	g.config.Listen.H2C, g.config.Listen.BodyIdleTimeout = true, 300*time.Millisecond
	g.start(t, true)
	t.Run("over HTTP/2", func(t *testing.T) {
		dial := func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
		h2 := &http.Client{Transport: &http2.Transport{AllowHTTP: true, DialTLSContext: dial}} //nolint:staticcheck // As the other test's.
		t.Cleanup(h2.CloseIdleConnections)
		out, in := io.Pipe()
		t.Cleanup(func() { _ = in.Close() })
		res, err := h2.Do(g.request(t, "POST", "/login", "", out))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != 400 {
			t.Errorf("status = %d, want 400", res.StatusCode)
		}
	})
	t.Run("byte by byte over HTTP/1.1", func(t *testing.T) {
		c, err := net.Dial("tcp", g.gateway.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n")
		go func() {
			for err := error(nil); err == nil; time.Sleep(20 * time.Millisecond) {
				_, err = io.WriteString(c, "x")
			}
		}()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != 400 {
			t.Errorf("status = %d, want 400", res.StatusCode)
		}
	})
}
