//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// victim is somebody at home whose token is going to be stolen.
type victim struct {
	number  int
	name    string
	token   string
	session string // Pseudonym.
}

func newVictim(t *testing.T, s *stack, number int) victim {
	t.Helper()
	key, err := os.ReadFile(s.run.TenantKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	names, err := event.NewNames(key)
	if err != nil {
		t.Fatal(err)
	}
	v := victim{number: number, name: fmt.Sprintf("victim-%d", number)}
	v.token, v.session = s.token(v.name), names.Session(s.idp.Issuer(), "sid-"+v.name)
	return v
}

// seen is how a stream ended in its own client's eyes.
type seen struct {
	at  time.Time
	err error // Of what the client expected.
}

// open holds a stream of one kind; what its client sees of the end comes
// through the channel.
type open func(t *testing.T, s *stack, v victim) <-chan seen

// TestCutOfEachKind steals the token of somebody who holds a stream, uses it in
// another country from another program, and looks at what the owner's client
// sees of the verdict.
func TestCutOfEachKind(t *testing.T) {
	s := startStack(t, stackOptions{rate: 256 << 10, analyzer: eager()})
	for i, kind := range []struct {
		name string
		open open
	}{
		{"websocket", openWebSocket},
		{"server-sent events", openSSE},
		{"http/1.1 download", openDownload},
		{"http/2 stream beside another session's", openHTTP2},
		{"grpc server stream", openGRPC},
		{"upload", openUpload},
	} {
		t.Run(kind.name, func(t *testing.T) {
			v := newVictim(t, s, i+1)
			ended := kind.open(t, s, v)
			await(t, "the analyzer knows the stream", func() bool {
				return number(t, s, "SELECT count() AS n FROM assessments WHERE session = '"+v.session+"'") > 0
			})
			select {
			case e := <-ended:
				t.Fatalf("the stream ended before anybody stole anything: %v", e.err)
			default:
			}
			sent := steal(t, s, v)
			select {
			case e := <-ended:
				if e.err != nil {
					t.Error(e.err)
				}
				t.Logf("event to cut: %.1f ms", e.at.Sub(sent).Seconds()*1000)
			case <-time.After(waitMax):
				t.Fatal("the stream goes on")
			}
			refused(t, s, v)
			receipt(t, s, v)
		})
	}
	t.Run("next request", func(t *testing.T) {
		v := newVictim(t, s, 100)
		tr := s.transport(t, address(home, v.number))
		ask := func() reply {
			return roundTrip(t, tr, s.request(t, http.MethodGet, "/accounts", v.token, ownersAgent, nil))
		}
		if before := ask(); before.status != http.StatusOK {
			t.Fatalf("before the theft: status %d", before.status)
		}
		sent := steal(t, s, v)
		await(t, "the next request is refused", func() bool {
			return ask().status != http.StatusOK
		})
		t.Logf("event to first refusal: %.1f ms", time.Since(sent).Seconds()*1000)
		refused(t, s, v)
	})
}

// eager has rows stored soon, because these tests wait for them.
func eager() map[string]any {
	return map[string]any{"store": map[string]any{"linger": "100ms"}}
}

// steal uses a victim's token once, from abroad, with another program.
func steal(t *testing.T, s *stack, v victim) (sent time.Time) {
	t.Helper()
	req := s.request(t, http.MethodGet, "/accounts", v.token, thiefsAgent, nil)
	sent = time.Now()
	r := roundTrip(t, s.transport(t, address(abroad, v.number)), req)
	if r.status != http.StatusOK {
		t.Fatalf("the thief's first request: status %d: %s", r.status, r.body)
	}
	return sent
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func roundTrip(t *testing.T, tr *http.Transport, req *http.Request) reply {
	t.Helper()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	err = resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, body}
}

// told is what a problem document says.
type told struct {
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Support string `json:"support_code"`
}

// refused checks what the owner is told by his next request.
func refused(t *testing.T, s *stack, v victim) {
	t.Helper()
	r := roundTrip(t, s.transport(t, address(home, v.number)), s.request(t, http.MethodGet, "/", v.token, ownersAgent, nil))
	var p told
	err := json.Unmarshal(r.body, &p)
	if err != nil || r.status != http.StatusUnauthorized || p.Status != r.status || !supportCode(p.Support) ||
		r.header.Get("WWW-Authenticate") == "" || r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("next request: status %d, headers %v, error %v: %s", r.status, r.header, err, r.body)
	}
}

func supportCode(text string) bool { return strings.HasPrefix(text, "VG-") }

// receipt checks that ClickHouse knows the cut and its cause.
func receipt(t *testing.T, s *stack, v victim) {
	t.Helper()
	await(t, "the receipt is in ClickHouse", func() bool {
		return number(t, s, `SELECT count() AS n FROM enforcements AS e FINAL INNER JOIN verdicts AS v FINAL ON v.tenant = e.tenant AND v.id = e.verdict_id
			INNER JOIN requests AS r ON r.id = v.cause_event_id
			WHERE e.event_to_cut_us > 0 AND e.session = '`+v.session+`' AND v.action = 'revoke' AND r.country = 'AU'`) > 0
	})
}

func openWebSocket(t *testing.T, s *stack, v victim) <-chan seen {
	t.Helper()
	client := &http.Client{Transport: s.transport(t, address(home, v.number))}
	conn, _, err := websocket.Dial(t.Context(), s.run.Gateway+"/ws", &websocket.DialOptions{ //nolint:bodyclose // The library gives a body of its own.
		HTTPClient: client, HTTPHeader: http.Header{"User-Agent": {ownersAgent}, "Authorization": {"Bearer " + v.token}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return watch(t, func() error {
		for {
			_, _, err := conn.Read(t.Context())
			if err == nil {
				continue
			}
			closed, ok := errors.AsType[websocket.CloseError](err)
			if !ok || closed.Code != websocket.StatusPolicyViolation || !strings.Contains(closed.Reason, "VG-") {
				return fmt.Errorf("websocket ended with %w, want close code 1008 and a support code", err)
			}
			return nil
		}
	})
}

func openSSE(t *testing.T, s *stack, v victim) <-chan seen {
	t.Helper()
	body := stream(t, s.transport(t, address(home, v.number)), s.request(t, http.MethodGet, "/events", v.token, ownersAgent, nil))
	return watch(t, func() error {
		name, last := "", ""
		in := bufio.NewScanner(body)
		for in.Scan() {
			if after, ok := strings.CutPrefix(in.Text(), "event: "); ok {
				name = after
			}
			if after, ok := strings.CutPrefix(in.Text(), "data: "); ok {
				last = after
			}
		}
		var p told
		err := errors.Join(in.Err(), json.Unmarshal([]byte(last), &p))
		if err != nil || name != "vigil.revoked" || !supportCode(p.Support) {
			return fmt.Errorf("events ended with %q, %q, %w, want event vigil.revoked with a support code and a clean end", name, last, err)
		}
		return nil
	})
}

func openDownload(t *testing.T, s *stack, v victim) <-chan seen {
	t.Helper()
	body := stream(t, s.transport(t, address(home, v.number)), s.request(t, http.MethodGet, "/download?bytes=1000000000", v.token, ownersAgent, nil))
	return watch(t, func() error {
		_, err := io.Copy(io.Discard, body)
		if err == nil {
			return errors.New("download ended as if it were complete")
		}
		return nil
	})
}

// openHTTP2 holds two downloads on one connection, of two sessions: the verdict
// about one must not touch the other.
func openHTTP2(t *testing.T, s *stack, v victim) <-chan seen {
	t.Helper()
	host := s.host()
	tr := &http.Transport{
		Protocols: new(http.Protocols),
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialFrom(ctx, host, address(home, v.number))
		},
	}
	tr.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(tr.CloseIdleConnections)
	mine := stream(t, tr, s.request(t, http.MethodGet, "/download?bytes=1000000000", v.token, ownersAgent, nil))
	other := stream(t, tr, s.request(t, http.MethodGet, "/download?bytes=2000000000", s.token(v.name+"-neighbour"), ownersAgent, nil))
	neighbour := meter{end: make(chan error, 1)}
	go func() { neighbour.end <- neighbour.drink(other) }()
	return watch(t, func() error {
		_, err := io.Copy(io.Discard, mine)
		at := time.Now()
		_, reset := errors.AsType[http2.StreamError](err)
		if !reset {
			return fmt.Errorf("stream ended with %w, want a reset", err)
		}
		// It is drunk as it comes, so more than a little was sent after the reset.
		had := neighbour.bytes.Load()
		for neighbour.bytes.Load() < had+64<<10 {
			select {
			case err := <-neighbour.end:
				return fmt.Errorf("the neighbour's stream ended: %w", err)
			case <-time.After(lookGap):
			}
			if time.Since(at) > waitMax {
				return errors.New("the neighbour's stream stands still")
			}
		}
		return ended{at}
	})
}

// meter counts what is read.
type meter struct {
	bytes atomic.Int64
	end   chan error
}

func (m *meter) drink(r io.Reader) error {
	_, err := io.Copy(m, r)
	return err
}

func (m *meter) Write(b []byte) (int, error) {
	m.bytes.Add(int64(len(b)))
	return len(b), nil
}

// ended carries the moment of an end that was checked later.
type ended struct{ at time.Time }

func (ended) Error() string { return "ended as it should" }

func openGRPC(t *testing.T, s *stack, v victim) <-chan seen {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+s.host(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent(ownersAgent),
		grpc.WithContextDialer(func(ctx context.Context, host string) (net.Conn, error) {
			return dialFrom(ctx, host, address(home, v.number))
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+v.token)
	answers, err := testgrpc.NewTestServiceClient(conn).StreamingOutputCall(ctx, &testgrpc.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = answers.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return watch(t, func() error {
		for {
			_, err := answers.Recv()
			if err == nil {
				continue
			}
			if status.Code(err) != codes.Unauthenticated || !strings.Contains(status.Convert(err).Message(), "VG-") {
				return fmt.Errorf("grpc stream ended with %w, want UNAUTHENTICATED and a support code", err)
			}
			return nil
		}
	})
}

// endless is a body that is sent slowly and for ever.
type endless struct{ done <-chan struct{} }

func (e endless) Read(b []byte) (int, error) {
	select {
	case <-e.done:
		return 0, io.ErrUnexpectedEOF
	case <-time.After(20 * time.Millisecond):
		return copy(b, bytes.Repeat([]byte("x"), 1<<10)), nil
	}
}

func openUpload(t *testing.T, s *stack, v victim) <-chan seen {
	t.Helper()
	req := s.request(t, http.MethodPost, "/upload", v.token, ownersAgent, endless{t.Context().Done()})
	tr := s.transport(t, address(home, v.number))
	return watch(t, func() error {
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return fmt.Errorf("upload broke off without an answer: %w", err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		var p told
		_ = json.Unmarshal(body, &p) // What is no problem has no code.
		if err != nil || resp.StatusCode != http.StatusUnauthorized || !supportCode(p.Support) {
			return fmt.Errorf("upload was answered %d %s, %w, want 401 with a support code", resp.StatusCode, body, err)
		}
		return nil
	})
}

// stream begins an answer that is read later.
func stream(t *testing.T, tr *http.Transport, req *http.Request) io.Reader {
	t.Helper()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d", req.URL.Path, resp.StatusCode)
	}
	return resp.Body
}

// watch reads a stream to its end beside the test.
func watch(t *testing.T, read func() error) <-chan seen {
	t.Helper()
	out := make(chan seen, 1)
	go func() {
		err := read()
		e := seen{time.Now(), err}
		at, ok := errors.AsType[ended](err)
		if ok {
			e = seen{at: at.at}
		}
		out <- e
	}()
	return out
}
