package upstream

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Options are what a [Server] depends on. Every field has a usable zero value.
type Options struct {
	// Addr is the address to listen on, "127.0.0.1:0" where empty.
	Addr string
	// Users maps names to passwords for POST /login.
	Users map[string]string
	// Rate is the speed of a download in bytes per second; 1 MiB/s where zero.
	Rate int64
	// Tick is the pause between messages of /ws and /events; a second where zero.
	Tick time.Duration
	// Logger hears of requests that went wrong; nil is silent.
	Logger *slog.Logger
}

// Server is the running service.
type Server struct {
	Ledger // What was served.

	options Options
	server  *http.Server
	url     string
	done    chan struct{}
	stop    context.CancelFunc
}

// Start listens and serves until Close. An error means that the address is taken.
func Start(o Options) (*Server, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Rate <= 0 {
		o.Rate = 1 << 20
	}
	if o.Tick <= 0 {
		o.Tick = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	lc := net.ListenConfig{}
	ln, err := lc.Listen(context.Background(), "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{options: o, url: "http://" + ln.Addr().String(), done: make(chan struct{}), stop: stop}
	s.server = &http.Server{
		Handler:           s.routes(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       time.Minute, // Longer than a gateway keeps its side, so that the gateway closes first.
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(s.done)
		err := s.server.Serve(ln)
		if !errors.Is(err, http.ErrServerClosed) {
			o.Logger.Error("sample upstream stopped", "error", err)
		}
	}()
	return s, nil
}

// URL is the base of the service, such as "http://127.0.0.1:9500".
func (s *Server) URL() string { return s.url }

// Addr is the address that the service listens on.
func (s *Server) Addr() string { return s.url[len("http://"):] }

// Close ends every stream, waits up to two seconds for requests to finish,
// and closes what is left.
func (s *Server) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = s.server.Close()
	}
	<-s.done
	if err != nil {
		return fmt.Errorf("upstream: close: %w", err)
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /static/{file}", s.static)
	mux.HandleFunc("GET /me", s.me)
	mux.HandleFunc("GET /accounts", s.accounts)
	mux.HandleFunc("GET /accounts/{id}", s.account)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("GET /ws", s.websocket)
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("GET /download", s.download)
	mux.HandleFunc("POST /upload", s.upload)
	mux.HandleFunc("GET /slow", s.slow)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.enter(r.URL.Path)
		defer s.leave()
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	s.write(w, r, []byte("Hello from the sample upstream.\n"))
}

func (s *Server) static(w http.ResponseWriter, r *http.Request) {
	switch r.PathValue("file") {
	case "app.js":
		w.Header().Set("Content-Type", "text/javascript")
		s.write(w, r, []byte("console.log('sample');\n"))
	case "app.css":
		w.Header().Set("Content-Type", "text/css")
		s.write(w, r, []byte("body { font: 16px sans-serif }\n"))
	case "logo.svg":
		w.Header().Set("Content-Type", "image/svg+xml")
		s.write(w, r, []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="3"/></svg>`))
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) me(w http.ResponseWriter, r *http.Request) {
	s.reply(w, r, http.StatusOK, map[string]string{"subject": r.Header.Get("X-Vigil-Subject")})
}

// Account is what GET /accounts/{id} answers.
type Account struct {
	ID      string `json:"id"`
	Owner   string `json:"owner"`
	Balance int    `json:"balance"`
}

// AccountFirst and AccountLast bound the ids of the accounts that exist.
const (
	AccountFirst = 1000
	AccountLast  = 9999
)

func (s *Server) accounts(w http.ResponseWriter, r *http.Request) {
	ids := make([]string, 0, 20)
	for id := AccountFirst; len(ids) < cap(ids); id++ {
		ids = append(ids, strconv.Itoa(id))
	}
	s.reply(w, r, http.StatusOK, map[string]any{"accounts": ids})
}

func (s *Server) account(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || id < AccountFirst || id > AccountLast {
		s.reply(w, r, http.StatusNotFound, map[string]string{"error": "no such account"})
		return
	}
	s.reply(w, r, http.StatusOK, Account{ID: strconv.Itoa(id), Owner: fmt.Sprintf("owner %d", id), Balance: id * 7919 % 100000})
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, FormBytesMax)
	err := r.ParseForm()
	if err != nil {
		s.reply(w, r, http.StatusBadRequest, map[string]string{"error": "not a form"})
		return
	}
	want, known := s.options.Users[r.PostForm.Get("username")]
	if !known || subtle.ConstantTimeCompare([]byte(want), []byte(r.PostForm.Get("password"))) != 1 {
		s.reply(w, r, http.StatusUnauthorized, map[string]string{"error": "wrong name or password"})
		return
	}
	s.reply(w, r, http.StatusOK, map[string]string{"welcome": r.PostForm.Get("username")})
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, BodyBytesMax))
	if err != nil {
		s.reply(w, r, http.StatusBadRequest, map[string]string{"error": "upload broke off"})
		return
	}
	s.reply(w, r, http.StatusOK, map[string]int64{"bytes": n})
}

func (s *Server) reply(w http.ResponseWriter, r *http.Request, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "answer cannot be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	s.write(w, r, append(b, '\n'))
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, b []byte) {
	_, err := w.Write(b)
	if err != nil {
		s.options.Logger.DebugContext(r.Context(), "answer not sent", "path", r.URL.Path, "error", err)
	}
}
