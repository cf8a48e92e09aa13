//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// TestReleaseBarrierLeaksNothing steals tokens and asks once with each, from abroad.
// Without a release barrier the thief has its answer before the analyzer has seen the
// request; with one it gets not a byte of it, whatever it asks for.
func TestReleaseBarrierLeaksNothing(t *testing.T) {
	s := startStack(t, stackOptions{
		rate: 1 << 20, analyzer: eager(),
		// Long, and open at its end: only a verdict can keep the thief from its answer.
		release: map[string]any{"until": "scored", "max": "5s", "else": "allow"},
	})
	ask := func(path string, change ...func(*http.Request)) func(*testing.T, victim) {
		return func(t *testing.T, v victim) {
			t.Helper()
			thiefGets(t, s, v, s.transport(t, address(abroad, v.number)), path, change...)
		}
	}
	for i, kind := range []struct {
		name string
		ask  func(*testing.T, victim)
	}{
		{"a plain answer", ask("/accounts")},
		{"an event stream", ask("/events")},
		{"a download", ask("/download?bytes=100000000")},
		{"a websocket", ask("/ws", func(r *http.Request) {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Sec-Websocket-Version", "13")
			r.Header.Set("Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		})},
		{"a plain answer over http/2", func(t *testing.T, v victim) {
			t.Helper()
			tr := &http.Transport{Protocols: new(http.Protocols), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialFrom(ctx, s.host(), address(abroad, v.number))
			}}
			tr.Protocols.SetUnencryptedHTTP2(true)
			defer tr.CloseIdleConnections()
			thiefGets(t, s, v, tr, "/accounts")
		}},
		{"a grpc stream", func(t *testing.T, v victim) {
			t.Helper()
			thiefCalls(t, s, v)
		}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			v := newVictim(t, s, 300+i)
			beginsAtHome(t, s, v)
			kind.ask(t, v)
			refused(t, s, v)
			await(t, "the event says that nothing went out", func() bool {
				return number(t, s, `SELECT count() AS n FROM requests WHERE phase = 'close' AND decision = 'cut' AND bytes_out = 0 AND country = 'AU' AND session = '`+v.session+`'`) == 1
			})
		})
	}
	t.Run("without a barrier the first answer is out", func(t *testing.T) {
		v := newVictim(t, s, 400)
		beginsAtHome(t, s, v)
		steal(t, s, v) // Fails where the thief is refused.
		await(t, "the session is revoked after it", func() bool {
			return number(t, s, "SELECT count() AS n FROM verdicts WHERE action = 'revoke' AND target_id = '"+v.session+"'") > 0
		})
	})
	t.Run("its owner is not held up for long", func(t *testing.T) {
		v := newVictim(t, s, 401)
		tr := s.transport(t, address(home, v.number))
		for range 20 {
			req := s.request(t, http.MethodGet, "/accounts", v.token, ownersAgent, nil)
			req.Host = releaseHost
			began := time.Now()
			r := roundTrip(t, tr, req)
			if r.status != http.StatusOK || time.Since(began) > 5*time.Second {
				t.Errorf("status %d after %v", r.status, time.Since(began))
			}
		}
	})
}

// beginsAtHome has a victim's session in use when it is stolen: the owner has a stream
// open, so that a second place at the same time is enough for a revoke.
func beginsAtHome(t *testing.T, s *stack, v victim) {
	t.Helper()
	_ = openSSE(t, s, v)
	await(t, "the analyzer knows the session", func() bool {
		return number(t, s, "SELECT count() AS n FROM assessments WHERE session = '"+v.session+"'") > 0
	})
}

// thiefGets sends one request as a thief and checks that the answer is a refusal and
// has nothing of what was asked for.
func thiefGets(t *testing.T, s *stack, v victim, tr http.RoundTripper, path string, change ...func(*http.Request)) {
	t.Helper()
	req := s.request(t, http.MethodGet, path, v.token, thiefsAgent, nil)
	req.Host = releaseHost
	for _, c := range change {
		c(req)
	}
	began := time.Now()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("refused after %.1f ms", time.Since(began).Seconds()*1000)
	var p told
	err = json.Unmarshal(body, &p)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || p.Code != "session_revoked" {
		t.Errorf("the thief got status %d, %d B: %.200s", resp.StatusCode, len(body), body)
	}
}

// thiefCalls is thiefGets over gRPC.
func thiefCalls(t *testing.T, s *stack, v victim) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+s.host(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority(releaseHost), grpc.WithUserAgent(thiefsAgent), grpc.WithContextDialer(func(ctx context.Context, host string) (net.Conn, error) {
			return dialFrom(ctx, host, address(abroad, v.number))
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), waitMax)
	defer cancel()
	stream, err := testgrpc.NewTestServiceClient(conn).StreamingOutputCall(
		metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+v.token), &testgrpc.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	message, err := stream.Recv()
	if status.Code(err) != codes.Unauthenticated || !strings.Contains(status.Convert(err).Message(), "VG-") {
		t.Errorf("the thief got %v, %v", message, err)
	}
}
