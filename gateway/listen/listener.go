package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	proxyproto "github.com/pires/go-proxyproto"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/gateway/guard"
)

// Options are what a [Listener] depends on. All but Bound, Budgets, ConnContext and
// Drain are required.
type Options struct {
	Config  Config
	Handler http.Handler
	// Bound is a socket that somebody has opened already, which takes the place of
	// Config.Address; nil for none. It is the listener's from then on.
	Bound net.Listener
	// Budgets are what each address may have of connections; nil for no limits.
	Budgets *guard.Budgets
	// ConnContext is called for every connection; see origin.Resolver.
	ConnContext func(context.Context, net.Conn) context.Context
	// Drain is called when the listener stops, beside the drain of requests in
	// flight, to end what net/http does not know: hijacked connections and
	// streams without an end. Its context ends with the drain time.
	Drain  func(context.Context)
	Logger *slog.Logger
	Meter  metric.Meter
	Now    func() time.Time // The wall clock: deadlines of connections are made from it.
}

// Listener accepts connections on one address.
type Listener struct {
	config Config
	inner  net.Listener
	server *http.Server
	tls    bool
	drain  func(context.Context)
	log    *slog.Logger
}

// New binds the address, so that Addr is known; Serve accepts. The error joins
// every fault of the configuration, or names what cannot be opened.
func New(ctx context.Context, o Options) (*Listener, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	m, err := newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l := &Listener{config: o.Config, drain: o.Drain, log: o.Logger}
	l.server = newServer(o, m)
	if o.Config.TLS.CertFile != "" {
		l.tls = true
		get, err := openCertificate(o, m)
		if err != nil {
			return nil, fmt.Errorf("listen: tls: %w", err)
		}
		l.server.TLSConfig = &tls.Config{MinVersion: o.Config.TLS.version(), GetCertificate: get}
		l.server.TLSConfig.GetConfigForClient = noting(nil)
		l.server.ConnContext = withGreeting(o.ConnContext)
	}
	if o.Config.TLS.asks() {
		bundle, err := openTrust(o, l.server.TLSConfig, m)
		if err != nil {
			return nil, fmt.Errorf("listen: tls: %w", err)
		}
		l.server.TLSConfig.GetConfigForClient = noting(bundle.get)
	}
	inner := o.Bound
	if inner == nil {
		inner, err = new(net.ListenConfig).Listen(ctx, "tcp", o.Config.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", o.Config.Address, err)
	}
	l.inner, err = wrap(context.WithoutCancel(ctx), inner, o, m)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), inner.Close())
	}
	return l, nil
}

// newServer sets every timeout and limit that does not end a long stream.
func newServer(o Options, m metrics) *http.Server {
	s := &http.Server{
		Handler:           strict(o.Handler, o.Config.BodyIdleTimeout, o.Now, m),
		ReadHeaderTimeout: o.Config.HeaderTimeout,
		IdleTimeout:       o.Config.IdleTimeout,
		MaxHeaderBytes:    int(o.Config.HeaderBytesMax),
		ConnContext:       o.ConnContext,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug), // What clients do wrong is no alarm.
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: StreamsMax, MaxReadFrameSize: frameBytesMax, SendPingTimeout: pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: writeStall,
		},
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(o.Config.H2C)
	return s
}

// wrap puts the connection caps and the PROXY protocol around a listener.
func wrap(ctx context.Context, inner net.Listener, o Options, m metrics) (net.Listener, error) {
	c := o.Config
	capped := &capped{
		Listener: inner, free: make(chan struct{}, c.ConnectionsMax), budgets: o.Budgets, balancers: c.ProxyProtocol.prefixes(),
		metrics: m, ctx: ctx,
	}
	if len(c.ProxyProtocol.Trusted) == 0 {
		return capped, nil
	}
	trusted := proxyproto.USE
	if c.ProxyProtocol.Require {
		trusted = proxyproto.REQUIRE
	}
	policy, err := proxyproto.PolicyFromRanges(c.ProxyProtocol.ranges(), trusted, proxyproto.REJECT)
	if err != nil {
		return nil, fmt.Errorf("proxy_protocol: %w", err)
	}
	return &relayed{capped: capped, Listener: &proxyproto.Listener{
		Listener: capped, ConnPolicy: policy, ReadHeaderTimeout: c.ProxyProtocol.HeaderTimeout,
		ValidateHeader: func(h *proxyproto.Header) error {
			if h.Command.IsLocal() || h.TransportProtocol.IsStream() && !h.TransportProtocol.IsUnix() {
				return nil
			}
			return errors.New("a PROXY header for another transport than TCP")
		},
	}}, nil
}

// Addr is the address that the listener is bound to.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Serve accepts connections until ctx ends, then drains, and returns nil once
// every connection is done or the drain time is over. Any other reason to stop
// is its error.
func (l *Listener) Serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() {
		if l.tls {
			failed <- l.server.ServeTLS(l.inner, "", "")
			return
		}
		failed <- l.server.Serve(l.inner)
	}()
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serve %s: %w", l.Addr(), err), l.server.Close())
	case <-ctx.Done():
	}
	return l.stop(context.WithoutCancel(ctx), failed)
}

// stop drains and then closes what is left.
func (l *Listener) stop(ctx context.Context, served <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, l.config.DrainTimeout)
	defer cancel()
	hook := make(chan struct{})
	go func() {
		defer close(hook)
		if l.drain != nil {
			l.drain(ctx)
		}
	}()
	err := l.server.Shutdown(ctx)
	<-hook
	ended := <-served
	if errors.Is(ended, http.ErrServerClosed) {
		ended = nil // As we asked it to.
	}
	if errors.Is(err, context.DeadlineExceeded) {
		l.log.WarnContext(ctx, "drain time is over, connections are closed", "drain_timeout", l.config.DrainTimeout)
		err = l.server.Close()
	}
	err = errors.Join(err, ended)
	if err != nil {
		return fmt.Errorf("drain %s: %w", l.Addr(), err)
	}
	return nil
}
