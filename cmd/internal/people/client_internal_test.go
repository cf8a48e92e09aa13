package people

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pires/go-proxyproto"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// door is a server that speaks PROXY protocol and behaves as a gateway does.
type door struct {
	*httptest.Server

	mu   sync.Mutex
	from map[string]bool // Addresses seen.
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{from: make(map[string]bool)}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.Server = &httptest.Server{Listener: &proxyproto.Listener{Listener: inner}, Config: &http.Server{Handler: d.handler()}}
	d.Start()
	t.Cleanup(d.Close)
	return d
}

func (d *door) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("page")) })
	mux.HandleFunc("/refused", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"code":"session_revoked","support_code":"VG-AAAA-BBBB"}`))
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("event: tick\ndata: {}\n\n"))
		_ = http.NewResponseController(w).Flush()
		if r.URL.Query().Has("cut") {
			_, _ = w.Write([]byte("event: problem\ndata: {\"code\":\"session_revoked\",\"support_code\":\"VG-AAAA-BBBB\"}\n\n"))
			return
		}
		<-r.Context().Done()
	})
	mux.HandleFunc("/download", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "8")
		_, _ = w.Write([]byte("1234"))
		_ = http.NewResponseController(w).Flush()
		if r.URL.Query().Has("cut") {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte("5678"))
	})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		_ = conn.Write(r.Context(), websocket.MessageText, []byte("tick 1"))
		if r.Header.Get("User-Agent") == "cut" {
			_ = conn.Close(websocket.StatusPolicyViolation, "Session ended (VG-AAAA-BBBB)")
			return
		}
		_, _, _ = conn.Read(context.WithoutCancel(r.Context()))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		d.mu.Lock()
		d.from[host] = true
		d.mu.Unlock()
		mux.ServeHTTP(w, r)
	})
}

// TestClientSeesWhatHappened walks through each kind of answer and of end.
func TestClientSeesWhatHappened(t *testing.T) {
	d := newDoor(t)
	from := Spot{Address: netip.MustParseAddr("198.18.0.9")}
	tests := map[string]struct {
		agent   string
		step    Step
		want    Answer
		refused bool
	}{
		"a page": {step: Step{Method: http.MethodGet, Path: "/page", Status: 200}, want: Answer{Status: 200, Bytes: 4}},
		"a refusal": {
			step: Step{Method: http.MethodGet, Path: "/refused", Status: 200}, refused: true,
			want: Answer{Status: 401, Problem: true, Code: "session_revoked", Support: "VG-AAAA-BBBB", Bytes: 56},
		},
		"events that the client leaves": {
			step: Step{Method: http.MethodGet, Path: "/events", Stream: event.StreamSSE, Lasts: 10 * time.Millisecond, Status: 200},
			want: Answer{Status: 200, Bytes: 22},
		},
		"events that are cut": {
			step: Step{Method: http.MethodGet, Path: "/events", Query: map[string][]string{"cut": {""}}, Stream: event.StreamSSE, Lasts: time.Hour, Status: 200},
			want: Answer{Status: 200, Bytes: 101, Cut: true, Reason: "problem", Code: "session_revoked", Support: "VG-AAAA-BBBB"}, refused: true,
		},
		"a download": {
			step: Step{Method: http.MethodGet, Path: "/download", Stream: event.StreamDownload, Lasts: time.Hour, Status: 200},
			want: Answer{Status: 200, Bytes: 8},
		},
		"a download that is cut": {
			step: Step{Method: http.MethodGet, Path: "/download", Query: map[string][]string{"cut": {""}}, Stream: event.StreamDownload, Lasts: time.Hour, Status: 200},
			want: Answer{Status: 200, Bytes: 4, Cut: true, Reason: "connection closed"}, refused: true,
		},
		"a live view that the client leaves": {
			step: Step{Method: http.MethodGet, Path: "/ws", Stream: event.StreamWebSocket, Lasts: 10 * time.Millisecond, Status: 101},
			want: Answer{Status: 101, Bytes: 6},
		},
		"a live view that is cut": {
			agent: "cut", step: Step{Method: http.MethodGet, Path: "/ws", Stream: event.StreamWebSocket, Lasts: time.Hour, Status: 101},
			want: Answer{Status: 101, Bytes: 6, Cut: true, Reason: "1008 Session ended (VG-AAAA-BBBB)", Support: "VG-AAAA-BBBB"}, refused: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var ledger Ledger
			c := NewClient(d.URL, from, tt.agent, "token", &ledger)
			defer c.Close()
			got, err := c.Do(t.Context(), &tt.step)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Answer{}, "At")); diff != "" && !strings.Contains(name, "a live view that the client leaves") {
				t.Errorf("answer differs (-want +got):\n%s", diff)
			}
			if got.Refused() != tt.refused || got.Cut != tt.want.Cut {
				t.Errorf("refused is %v, cut is %v", got.Refused(), got.Cut)
			}
			if ledger.Sent() != 1 {
				t.Errorf("ledger says %d requests, want 1", ledger.Sent())
			}
		})
	}
	if !d.from["198.18.0.9"] || len(d.from) != 1 {
		t.Errorf("the server saw addresses %v", d.from)
	}
}
