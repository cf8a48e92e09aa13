package upstream

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

// websocket sends a tick every Options.Tick and echoes messages until either
// side leaves.
func (s *Server) websocket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // The gateway checks origins.
	if err != nil {
		return // Accept has answered.
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(MessageBytesMax)
	// A hijacked connection outlives the request's own context, and Shutdown
	// does not wait for it: the server's context ends it.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		defer cancel()
		for {
			kind, message, err := conn.Read(ctx)
			if err != nil {
				return
			}
			err = conn.Write(ctx, kind, message)
			if err != nil {
				return
			}
		}
	}()
	tick := time.NewTicker(s.options.Tick)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			_ = conn.CloseNow()
			<-echoed
			return
		case <-tick.C:
			err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, "tick %d", n))
			if err != nil {
				cancel()
			}
		}
	}
}

// events sends a server-sent event at once and then every Options.Tick.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	tick := time.NewTicker(s.options.Tick)
	defer tick.Stop()
	for n := 1; ; n++ {
		_, err := fmt.Fprintf(w, "id: %d\nevent: tick\ndata: {\"n\":%d}\n\n", n, n)
		if err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// download sends ?bytes=N (1 MiB where absent) at ?rate=R bytes per second, at
// most Options.Rate.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	left := int64(1 << 20)
	if text := r.URL.Query().Get("bytes"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > DownloadBytesMax {
			s.reply(w, r, http.StatusBadRequest, map[string]string{"error": "bytes: not a size"})
			return
		}
		left = n
	}
	rate := s.options.Rate
	if text := r.URL.Query().Get("rate"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			s.reply(w, r, http.StatusBadRequest, map[string]string{"error": "rate: not a speed"})
			return
		}
		rate = min(rate, n)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(left, 10))
	out := http.NewResponseController(w)
	piece := make([]byte, min(max(rate/100, pieceBytes), pieceBytesMax))
	pause := time.NewTimer(0)
	defer pause.Stop()
	for left > 0 {
		select {
		case <-r.Context().Done():
			return
		case <-pause.C:
		}
		n, err := w.Write(piece[:min(left, int64(len(piece)))])
		if err != nil || out.Flush() != nil {
			return
		}
		left -= int64(n)
		pause.Reset(time.Duration(int64(n) * int64(time.Second) / rate))
	}
}

// slow answers after ?ms=N, or never if the client leaves first.
func (s *Server) slow(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
	wait := time.Duration(ms) * time.Millisecond
	if err != nil || ms < 0 || wait > SlowMax {
		s.reply(w, r, http.StatusBadRequest, map[string]string{"error": "ms: not a wait"})
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
	case <-timer.C:
		s.reply(w, r, http.StatusOK, map[string]int{"waited_ms": ms})
	}
}
