package proxy_test

import (
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/vigil-gateway/vigil/gateway/proxy"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// TestDownloadIsReportedBeforeItIsSent checks that a long answer is known of
// when it begins, and then whenever it has doubled.
func TestDownloadIsReportedBeforeItIsSent(t *testing.T) {
	const long, tick, size = 10_000, 40_000, 200_000
	tests := map[string]struct {
		method    string
		announced int
		sent      int
		open      int // Reports of the opening.
		first     uint64
		ticks     []uint64 // Bytes that had gone at least.
	}{
		"a long answer that announces its length":        {method: "GET", announced: size, sent: size, open: 1, ticks: []uint64{long, 2 * long, 4 * long, 8 * long, 12 * long, 16 * long, 20 * long}},
		"a long answer that does not":                    {method: "GET", sent: size, open: 1, first: long, ticks: []uint64{2 * long, 4 * long, 8 * long, 12 * long, 16 * long, 20 * long}},
		"a short answer":                                 {method: "GET", announced: long - 1, sent: long - 1},
		"the header of a long answer, without its bytes": {method: "HEAD", announced: size},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			url, _ := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.announced > 0 {
					w.Header().Set("Content-Length", strconv.Itoa(tt.announced))
				}
				for n := 0; n < tt.sent; n += 1000 { // In small pieces, so that no report is late by much.
					_, _ = w.Write(make([]byte, min(1000, tt.sent-n)))
					_ = http.NewResponseController(w).Flush()
				}
			})
			g := newRig(t, url, func(c *proxy.Config) {
				c.LongAfter, c.TickEvery, c.LongBytes, c.TickBytes = time.Hour, time.Hour, long, tick
			})
			res, err := g.client(t, false).Do(g.request(t, tt.method, "/", "s", nil))
			if err != nil {
				t.Fatal(err)
			}
			body(t, res)
			g.outcome(t)
			g.observer.mu.Lock()
			defer g.observer.mu.Unlock()
			if len(g.observer.open) != tt.open {
				t.Fatalf("opened %d times, want %d", len(g.observer.open), tt.open)
			}
			if tt.open == 1 && g.observer.open[0].Announced != uint64(tt.announced) {
				t.Errorf("opened with %d bytes announced, want %d", g.observer.open[0].Announced, tt.announced)
			}
			if tt.open == 1 && (g.observer.open[0].Stream != event.StreamDownload || g.observer.open[0].BytesOut < tt.first || tt.first == 0 && g.observer.open[0].BytesOut != 0) {
				t.Errorf("opened as %+v, want a download of %d bytes or a little more", g.observer.open[0], tt.first)
			}
			// What the upstream's pieces become on the way is the transport's choice,
			// so a report may be late, and then the next one is too.
			n := len(g.observer.ticks)
			if n > len(tt.ticks) {
				t.Fatalf("%d ticks, want at most %d", n, len(tt.ticks))
			}
			if len(tt.ticks) > 0 && (n == 0 || g.observer.ticks[n-1].BytesOut < size/2) {
				t.Fatalf("%d ticks, want the last one beyond half of %d bytes", n, size)
			}
			for i, p := range g.observer.ticks {
				if p.BytesOut < tt.ticks[i] {
					t.Errorf("tick %d after %d bytes, want at least %d", i, p.BytesOut, tt.ticks[i])
				}
			}
		})
	}
}

// TestLongAnswerIsHeldBack checks that a verdict has time before the first byte
// of a long answer, and that nobody else waits.
func TestLongAnswerIsHeldBack(t *testing.T) {
	const long, hold = 10_000, time.Second
	tests := map[string]struct {
		size   int
		public bool
		held   bool
	}{
		"a long answer":          {size: long, held: true},
		"a short answer":         {size: long - 1},
		"a long public download": {size: long, public: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			url, _ := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", strconv.Itoa(tt.size))
				_, _ = w.Write(make([]byte, tt.size))
			})
			g := newRig(t, url, func(c *proxy.Config) { c.LongBytes, c.LongHold = long, hold })
			g.route.Public = tt.public
			began := time.Now()
			res, err := g.client(t, false).Do(g.request(t, "GET", "/", "s", nil))
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadFull(res.Body, make([]byte, 1))
			if err != nil {
				t.Fatal(err)
			}
			waited := time.Since(began)
			body(t, res)
			if waited >= hold != tt.held {
				t.Errorf("the first byte came after %v, of a hold of %v", waited, hold)
			}
		})
	}
}
