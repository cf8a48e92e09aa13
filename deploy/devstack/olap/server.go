package olap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
)

// Options are what a [Server] depends on. Dir and Library are required.
type Options struct {
	// Dir is the data directory, made where it is missing. A process can hold one at a time.
	Dir string
	// Library is the path of libchdb.so.
	Library string
	// Addr is where to listen, "127.0.0.1:0" where empty. Anything but loopback is refused.
	Addr string
	// Username and Password are what a client must present; no check is made
	// where both are empty.
	Username, Password string
	// Connections is how many statements run at once, [ConnectionsDefault] where 0.
	Connections int
}

// Server is an embedded ClickHouse. Close ends it.
type Server struct {
	options  Options
	listener net.Listener
	http     *http.Server
	idle     chan *conn    // Connections that no statement uses.
	queue    chan struct{} // One token per statement that runs or waits.
	served   chan struct{} // Closed when the HTTP server has returned.
	stop     context.CancelFunc
	stopping context.Context //nolint:containedctx // Ends hanging faults when the server closes.

	mu    sync.Mutex
	fault FaultFunc
}

// Start opens the data directory and serves it. It returns when the server answers.
func Start(o Options) (*Server, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Connections == 0 {
		o.Connections = ConnectionsDefault
	}
	err := o.validate()
	if err != nil {
		return nil, fmt.Errorf("olap: %w", err)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("olap: %w", err)
	}
	lib, err := load(o.Library)
	if err != nil {
		return nil, fmt.Errorf("olap: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("olap: %w", err)
	}
	idle, err := openAll(lib, dir, o.Connections)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("olap: open %s: %w", dir, err), listener.Close())
	}
	s := &Server{
		options: o, listener: listener, idle: idle,
		queue:  make(chan struct{}, o.Connections+QueueMax),
		served: make(chan struct{}),
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    QueryBytesMax, // Settings and parameters come in the URL.
	}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(listener) // Always ErrServerClosed, once Close was called.
	}()
	return s, nil
}

func (o Options) validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("dir: is required"))
	}
	if o.Library == "" {
		errs = append(errs, errors.New("library: is required"))
	}
	if o.Connections < 1 || o.Connections > ConnectionsMax {
		errs = append(errs, fmt.Errorf("connections: must be 1 to %d, is %d", ConnectionsMax, o.Connections))
	}
	host, _, err := net.SplitHostPort(o.Addr)
	ip := net.ParseIP(host)
	if err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		errs = append(errs, fmt.Errorf("addr: must be a loopback address and port, is %q", o.Addr))
	}
	return errors.Join(errs...)
}

func openAll(lib *library, dir string, n int) (chan *conn, error) {
	idle := make(chan *conn, n)
	for range n {
		c, err := lib.dial([]string{"--path=" + dir})
		if err != nil {
			closeAll(idle)
			return nil, err
		}
		idle <- c
	}
	return idle, nil
}

// closeAll closes every connection that is idle; the last one ends the engine.
func closeAll(idle chan *conn) {
	for {
		select {
		case c := <-idle:
			c.hangUp()
		default:
			return
		}
	}
}

// Addr is where the server listens, as host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL is the address of the server's HTTP interface.
func (s *Server) URL() string { return "http://" + s.Addr() }

// Close waits for running statements, at most ten seconds, and ends the
// engine. The directory may then be opened again, also by this process.
func (s *Server) Close() error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("olap: drain: %w", err), s.http.Close())
	}
	<-s.served
	for range s.options.Connections { // A statement in C cannot be interrupted: its connection comes back when it ends.
		c := <-s.idle
		c.hangUp()
	}
	return err
}

// borrow takes a connection, waiting behind at most QueueMax others. release
// gives it back.
func (s *Server) borrow(ctx context.Context) (c *conn, release func(), err error) {
	select {
	case s.queue <- struct{}{}:
	default:
		return nil, nil, refuse(codeTooManyQueries, "Too many simultaneous queries: "+strconv.Itoa(cap(s.queue))+" run or wait. (TOO_MANY_SIMULTANEOUS_QUERIES)")
	}
	select {
	case c = <-s.idle:
		return c, func() { s.idle <- c; <-s.queue }, nil
	case <-ctx.Done():
		<-s.queue
		return nil, nil, fmt.Errorf("wait for a connection: %w", context.Cause(ctx))
	}
}
