package proxy_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/gateway/proxy/proxytest"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// answering are the kinds of stream whose upstream sends a header by itself, and what
// the header shows them to be.
var answering = map[string]string{
	"HTTP/1.1 response begun":      event.StreamRequest,
	"HTTP/2 stream":                event.StreamRequest,
	"HTTP/1.1 download":            event.StreamDownload,
	"HTTP/2 download":              event.StreamDownload,
	"event stream over HTTP/1.1":   event.StreamSSE,
	"event stream over HTTP/2":     event.StreamSSE,
	"WebSocket over HTTP/1.1":      event.StreamWebSocket,
	"WebSocket over HTTP/2":        event.StreamWebSocket,
	"gRPC server streaming":        event.StreamGRPC,
	"gRPC bidirectional streaming": event.StreamGRPC,
}

// A response of every kind is held back whole: who is found out meanwhile is told so
// as if the upstream had said nothing, and who is not gets all of it.
func TestResponsesOfEveryKindAreHeldBack(t *testing.T) {
	l := newLine(t)
	c := proxytest.NewClients(t, l.addr)
	kinds := c.Kinds()
	const (
		revoked = "revoked while it is held"
		refused = "refused because nobody knows"
		gone    = "let go"
	)
	for name, stream := range answering {
		kind := kinds[name]
		for _, how := range []string{revoked, refused, gone} {
			t.Run(name+"/"+how, func(t *testing.T) {
				v := l.newCase()
				v.observer = &observer{began: make(chan string, 100)}
				held := make(chan struct{})
				v.hold = func(ctx context.Context, bytes int64) *proxy.Refusal {
					defer close(held) // Panics where it is asked twice.
					if bytes < 4<<10 && strings.HasPrefix(name, "HTTP/1.1 d") || bytes > 5<<20 {
						t.Errorf("%d B are held", bytes)
					}
					seen := await(t, v.observer.(*observer).began, "what is held to be reported")
					if seen != stream {
						t.Errorf("reported as %s, want %s", seen, stream)
					}
					select {
					case <-v.Open:
						t.Error("the client has seen something")
					case <-time.After(5 * time.Millisecond):
					}
					switch how {
					case revoked:
						l.revoke(v)
						<-ctx.Done()
					case refused:
						return &proxy.Refusal{Decision: event.DecisionDeny, Problem: problem.Posture().Spread(0.5)}
					}
					return nil
				}
				want := map[string]proxytest.Told{revoked: kind.Refused, gone: kind.Cut, refused: {Words: "503 standing_unknown", Hint: true}}[how]
				if stream == event.StreamGRPC && how == refused {
					want = proxytest.Told{Words: "gRPC status 14", Hint: true}
				}
				if how == gone {
					go func() {
						<-v.Open
						l.revoke(v)
					}()
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				got, err := kind.Run(ctx, v.Case)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("the client was told (-want +got):\n%s(%v)", diff, err)
				}
				v.Opened() // Nobody is left who waits for it.
				await(t, held, "the response to be held")
				out := await(t, v.outcomes, "the call to end")
				if how != gone && out.BytesOut > 0 || !out.Lasted || out.Stream != stream {
					t.Errorf("outcome %+v, want an opened %s and no byte of it", out, stream)
				}
				if (out.Cut == nil) != (how == refused) || (out.Decision == event.DecisionDeny) != (how == refused) {
					t.Errorf("outcome %+v after %s", out, how)
				}
				await(t, v.Left, "the upstream to be left")
				open := v.observer.(*observer).open
				if len(open) != 1 || !open[0].Awaited || open[0].BytesOut != 0 || open[0].Status != statusOf(stream) {
					t.Errorf("opened with %+v", open)
				}
			})
		}
	}
}

func statusOf(stream string) int {
	if stream == event.StreamWebSocket {
		return http.StatusSwitchingProtocols
	}
	return http.StatusOK
}

// A plain answer that was held back is one event more and nothing else: it is no
// stream, unless it turns out to be one.
func TestAHeldAnswerIsNoStream(t *testing.T) {
	url, _ := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		if r.URL.Path == "/long" {
			_, _ = w.Write(make([]byte, 1000))
			return
		}
		_, _ = io.WriteString(w, "short")
	})
	tests := map[string]struct {
		path, stream string
	}{
		"a short answer": {path: "/", stream: event.StreamRequest},
		"a long answer":  {path: "/long", stream: event.StreamDownload},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, url, func(c *proxy.Config) { c.LongBytes = 1000 })
			asked := 0
			g.hold = func(context.Context, int64) *proxy.Refusal {
				asked++
				return nil
			}
			res, err := g.client(t, false).Do(g.request(t, http.MethodGet, tt.path, "owner", nil))
			if err != nil {
				t.Fatal(err)
			}
			text := body(t, res)
			out := g.outcome(t)
			if res.StatusCode != http.StatusTeapot || len(text) == 0 || asked != 1 || !out.Lasted || out.Stream != tt.stream {
				t.Errorf("status %d, %d B, asked %d times, outcome %+v", res.StatusCode, len(text), asked, out)
			}
			first := g.observer.open
			if len(first) != 1 || first[0].Status != http.StatusTeapot || !first[0].Awaited || first[0].Lasts != (tt.path == "/long") {
				t.Errorf("opened with %+v", first)
			}
		})
	}
}

// A client that does not wait is gone at once, and its upstream with it.
func TestWhoLeavesWhileHeldIsNotWaitedFor(t *testing.T) {
	for name, h2 := range map[string]bool{"over HTTP/1.1": false, "over HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			url, ended := upstream(t, endless)
			g := newRig(t, url)
			asked := make(chan struct{})
			g.hold = func(ctx context.Context, _ int64) *proxy.Refusal {
				close(asked)
				<-ctx.Done()
				return nil
			}
			r := g.request(t, http.MethodGet, "/", "owner", nil)
			ctx, leave := context.WithCancel(r.Context())
			defer leave()
			got := make(chan error, 1)
			go func() {
				_, err := g.client(t, h2).Do(r.WithContext(ctx)) //nolint:bodyclose // There is none.
				got <- err
			}()
			await(t, asked, "the response to be held")
			leave()
			if await(t, got, "the client to leave") == nil {
				t.Error("the client has an answer")
			}
			out := g.outcome(t)
			if out.Reason != problem.CodeClientClosed || out.BytesOut != 0 {
				t.Errorf("outcome %+v, want a client that is gone", out)
			}
			ends(t, ended)
		})
	}
}

// What was let go is held back by nothing else: the barrier stands in the place of
// the wait before a long answer.
func TestABarrierStandsInThePlaceOfTheLongHold(t *testing.T) {
	url, _ := upstream(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2000)) })
	g := newRig(t, url, func(c *proxy.Config) { c.LongBytes, c.LongHold = 1000, 2*time.Second })
	var at time.Time
	g.hold = func(context.Context, int64) *proxy.Refusal {
		at = time.Now()
		return nil
	}
	res, err := g.client(t, false).Do(g.request(t, http.MethodGet, "/", "owner", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = body(t, res)
	if took := time.Since(at); took >= 2*time.Second {
		t.Errorf("held back for %v more", took)
	}
	g.outcome(t)
}
