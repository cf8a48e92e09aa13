package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
)

// Options are what a [Proxy] depends on. All are required.
type Options struct {
	Config Config
	Logger *slog.Logger
	Meter  metric.Meter
	Now    func() time.Time
}

// Proxy forwards requests to upstreams.
type Proxy struct {
	config  Config
	logger  *slog.Logger
	metrics metrics
	now     func() time.Time
	strip   map[string]struct{} // Of Config.StripHeaders, spelled.
	buffers sync.Pool           // *[bufferBytes]byte

	http, httpOpen, h2c, h2cOpen *http.Transport // Open: without a header timeout, for gRPC.

	lingering sync.WaitGroup // Cut WebSockets whose clients are being listened out.

	mu      sync.Mutex
	drained bool
	endless map[drainer]struct{}
}

// Observer hears how a stream goes. Its methods must not block.
type Observer interface {
	Open(p Progress) // Once, when a request is known to last.
	Tick(p Progress) // Regularly from then on.
}

// Progress is a stream's state: what has moved since its beginning.
type Progress struct {
	Stream            string // A constant event.Stream….
	Status            int    // 0 before the upstream has answered.
	BytesIn, BytesOut uint64
	// Announced is how many bytes the response says that it has, 0 where it does
	// not say, or few.
	Announced uint64
}

// Call is one admitted request. The request's context must be the visit's.
type Call struct {
	Match     route.Match
	Visit     *session.Visit
	RequestID string
	// SupportCode goes into problems that no verdict caused.
	SupportCode string
	// Client is the client's address, for X-Forwarded-For.
	Client netip.Addr
	// Header is set on the upstream's request, after everything that the
	// client must not send has been stripped.
	Header http.Header
	// Goodbye words a cut for the client.
	Goodbye func(*session.Cut) problem.Problem
	// Observer may be nil.
	Observer Observer
	// NotBefore holds the body of a response that announces itself as long back
	// until a time, and Config.LongHold for at least so long; zero holds nothing.
	NotBefore time.Time
}

// Outcome is how a call ended.
type Outcome struct {
	Status            int // What the client was told; 499 where it was gone before.
	BytesIn, BytesOut uint64
	Stream            string // A constant event.Stream….
	// Lasted says that Observer.Open was called.
	Lasted bool
	// Reason is a problem's code; empty where all went well.
	Reason string
	// Cut is set where a verdict ended the request, CutAt when the last byte for
	// the client had been written or given up.
	Cut   *session.Cut
	CutAt time.Time
	// Abort asks the caller to panic with http.ErrAbortHandler once it has
	// accounted for the request: the response must not look complete.
	Abort bool
	// Err is the fault behind Reason, for the log.
	Err error
}

// New returns a proxy. The error names the certificate file that cannot be read.
func New(o Options) (*Proxy, error) {
	err := o.Config.Validate()
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if o.Logger == nil || o.Meter == nil || o.Now == nil {
		return nil, errors.New("proxy: logger, meter and now are required")
	}
	p := &Proxy{
		config: o.Config, logger: o.Logger, now: o.Now,
		strip: make(map[string]struct{}), endless: make(map[drainer]struct{}),
	}
	p.buffers.New = func() any { return new([bufferBytes]byte) }
	for _, h := range o.Config.StripHeaders {
		p.strip[spelled(h)] = struct{}{}
	}
	p.metrics, err = newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	trust, err := upstreamTLS(o.Config.UpstreamCAFile)
	if err != nil {
		return nil, fmt.Errorf("proxy: upstream_ca_file: %w", err)
	}
	p.http, p.httpOpen = p.transport(trust, false, true), p.transport(trust, false, false)
	p.h2c, p.h2cOpen = p.transport(nil, true, true), p.transport(nil, true, false)
	return p, nil
}

func upstreamTLS(caFile string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", caFile)
	}
	return c, nil
}

// transport returns a client for upstreams: no environment proxy, no redirects,
// no compression of its own.
func (p *Proxy) transport(trust *tls.Config, h2c, headerTimeout bool) *http.Transport {
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: p.config.DialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    p.config.HandshakeTimeout,
		MaxResponseHeaderBytes: p.config.HeaderBytesMax,
		MaxIdleConns:           4 * idlePerUpstreamMax,
		MaxIdleConnsPerHost:    idlePerUpstreamMax,
		MaxConnsPerHost:        p.config.ConnectionsMax,
		IdleConnTimeout:        idleConnection,
		ExpectContinueTimeout:  time.Second,
		DisableCompression:     true,
		WriteBufferSize:        bufferBytes,
		ReadBufferSize:         bufferBytes,
		Protocols:              new(http.Protocols),
	}
	if headerTimeout {
		t.ResponseHeaderTimeout = p.config.HeaderTimeout
	}
	if h2c {
		t.Protocols.SetUnencryptedHTTP2(true)
		return t
	}
	t.TLSClientConfig = trust.Clone() // Each transport adds its own protocols to it.
	t.Protocols.SetHTTP1(true)
	t.Protocols.SetHTTP2(true)
	return t
}

// drainer is a stream without an end of its own.
type drainer interface{ drain() }

// Drain ends, in their own words, the streams that have no end: WebSockets with
// "going away", event streams between two events, gRPC streams with
// UNAVAILABLE. New ones end at once. http.Server.Shutdown does not know the
// first and would wait for the others until its time is over.
func (p *Proxy) Drain() {
	p.mu.Lock()
	p.drained = true
	open := make([]drainer, 0, len(p.endless))
	for d := range p.endless {
		open = append(open, d)
	}
	p.mu.Unlock()
	for _, d := range open {
		d.drain()
	}
}

// keep lists a stream for Drain, or ends it where that has been called.
func (p *Proxy) keep(d drainer) {
	p.mu.Lock()
	drained := p.drained
	p.endless[d] = struct{}{}
	p.mu.Unlock()
	if drained {
		d.drain()
	}
}

func (p *Proxy) forget(d drainer) {
	p.mu.Lock()
	delete(p.endless, d)
	p.mu.Unlock()
}

// Close drains, waits at most the goodbye timeout for cut clients, and closes
// idle connections. Call it when no Serve is running.
func (p *Proxy) Close() {
	p.Drain()
	p.lingering.Wait()
	for _, t := range []*http.Transport{p.http, p.httpOpen, p.h2c, p.h2cOpen} {
		t.CloseIdleConnections()
	}
}

// Serve forwards r and answers w. It returns when the last byte has been
// written, or given up.
func (p *Proxy) Serve(w http.ResponseWriter, r *http.Request, c Call) Outcome {
	ctx, cancel := context.WithCancelCause(r.Context())
	x := &exchange{proxy: p, call: c, w: w, r: r, rc: http.NewResponseController(w), cancel: cancel}
	x.takeBody()
	x.mu.Lock()
	x.timer = time.AfterFunc(p.config.LongAfter, x.beat)
	x.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { x.unblock(context.Cause(ctx)) })
	out := x.run(ctx)
	stop()
	x.finish(&out)
	cancel(nil)
	p.account(ctx, out)
	return out
}
