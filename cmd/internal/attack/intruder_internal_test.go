package attack

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pires/go-proxyproto"
	"go.uber.org/goleak"

	"github.com/vigil-gateway/vigil/cmd/internal/people"
)

// TestMain fails if a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gate is a gateway whose n-th answer a test decides.
func gate(t *testing.T, answer func(n int, w http.ResponseWriter)) *intruder {
	t.Helper()
	var n atomic.Int64
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: &proxyproto.Listener{Listener: inner}, Config: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(int(n.Add(1)), w) }),
	}}
	s.Start()
	t.Cleanup(s.Close)
	var ledger people.Ledger
	client := people.NewClient(s.URL, people.Spot{Address: netip.MustParseAddr("198.18.0.9")}, "", "token", &ledger)
	t.Cleanup(client.Close)
	return newIntruder(&round{}, client)
}

func problem(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"code":%q}`, code)
}

// TestIntruderCountsWhatHeGets plays gateways that stop him sooner, later and
// never.
func TestIntruderCountsWhatHeGets(t *testing.T) {
	page := func(w http.ResponseWriter) { _, _ = w.Write([]byte("12345678")) }
	tests := map[string]struct {
		answer func(n int, w http.ResponseWriter)
		want   Round
	}{
		"the door stays shut": {
			func(n int, w http.ResponseWriter) {
				if n > 5 {
					problem(w, 401, "session_revoked")
					return
				}
				page(w)
			},
			Round{Served: 5, Bytes: 40, Sent: 5 + 1 + knocks, Stopped: true, Answer: "401 session_revoked"},
		},
		"a door that opens again is not shut": {
			func(n int, w http.ResponseWriter) {
				if n == 3 {
					problem(w, 403, "blocked")
					return
				}
				page(w)
			},
			Round{Served: 10, Bytes: 80, Sent: 11, Answer: "403 blocked"},
		},
		"slowed down is not stopped": {
			func(n int, w http.ResponseWriter) {
				if n == 4 || n == 6 {
					problem(w, 429, "throttled")
					return
				}
				page(w)
			},
			Round{Served: 10, Bytes: 80, Sent: 12, Slowed: 2},
		},
		"the service's own refusal is an answer": {
			func(_ int, w http.ResponseWriter) {
				w.WriteHeader(http.StatusUnauthorized)
				page(w)
			},
			Round{Served: 10, Bytes: 80, Sent: 10},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x := gate(t, tt.answer)
			err := x.pressFor(t.Context(), 10, func() people.Step { return people.Step{Method: http.MethodGet, Path: "/", Status: 200} }, atOnce)
			if err != nil {
				t.Fatal(err)
			}
			got := x.round.Round
			if (got.TookMS > 0) != (tt.want.Answer != "") {
				t.Errorf("took %v ms until %q", got.TookMS, got.Answer)
			}
			got.TookMS = 0
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestFloodCountsEachDownload holds several downloads that are broken off.
func TestFloodCountsEachDownload(t *testing.T) {
	const each = 4
	x := gate(t, func(n int, w http.ResponseWriter) {
		if n > each {
			problem(w, 401, "session_revoked")
			return
		}
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write(make([]byte, 300))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	err := x.flood(t.Context(), each, 1000)
	if err != nil {
		t.Fatal(err)
	}
	r := x.round
	if r.Served != each || r.Bytes != 300*each || !r.Stopped || r.Sent != each*(1+knocks) {
		t.Errorf("counted %+v", r.Round)
	}
}
