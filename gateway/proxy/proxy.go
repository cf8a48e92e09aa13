package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/gateway/problem"
	"github.com/vigil-gateway/vigil/gateway/route"
	"github.com/vigil-gateway/vigil/gateway/session"
	"github.com/vigil-gateway/vigil/gateway/upstream"
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
	headers sync.Pool           // http.Header, empty, for direct.

	direct   *upstream.Client // For plain requests without a body.
	tls, h2c transports
	pins     map[string]transports // Of Config.UpstreamTLS, by host.

	young     young          // Exchanges that are not yet known to last.
	lingering sync.WaitGroup // Cut WebSockets whose clients are being listened out.

	mu      sync.Mutex
	drained bool
	endless map[drainer]struct{}
}

// Observer hears how a stream goes. Its methods must not block.
type Observer interface {
	Open(p Progress) // Once, when a request is known to last, or its response is held back.
	Tick(p Progress) // Regularly from then on.
	// Ends is until when a stream may go on, as things are; zero for ever. It is asked
	// again when that time has come.
	Ends() time.Time
}

// Progress is a stream's state: what has moved since its beginning.
type Progress struct {
	Stream            string // A constant event.Stream….
	Status            int    // 0 before the upstream has answered.
	BytesIn, BytesOut uint64
	// Announced is how many bytes the response says that it has, 0 where it does
	// not say, or few.
	Announced uint64
	// Sensitivity is what the upstream says of its response, one of route's
	// constants; empty where it says nothing.
	Sensitivity string
	// Lasts says that the request is known to last, Awaited that Call.Hold is asked next.
	Lasts, Awaited bool
}

// Call is one admitted request. The request's context must be the visit's, which
// ends at the latest when the caller lets the visit leave.
type Call struct {
	Match     route.Match
	Visit     *session.Visit
	RequestID string // Also the source of the support code of problems that no verdict caused.
	// Client is the client's address, for X-Forwarded-For.
	Client netip.Addr
	// Own sets the gateway's own headers on the upstream's request, after everything that
	// the client must not send has been stripped. It is called once, and may be nil.
	Own func(h http.Header)
	// Unproven says that no credential of the client's was believed.
	Unproven bool
	// Goodbye words a cut for the client.
	Goodbye func(*session.Cut) problem.Problem
	// Observer may be nil.
	Observer Observer
	// NotBefore holds the body of a response that announces itself as long back
	// until a time, and Config.LongHold for at least so long; zero holds nothing.
	NotBefore time.Time
	// Hold, where set, is asked once before the first byte of the upstream's response
	// goes to the client, after Observer has heard of its header, and may wait. It
	// returns nil where the response may go, and should return when ctx ends. bytes is
	// what the gateway may have to keep of the response meanwhile. NotBefore and
	// Config.LongHold then hold nothing.
	Hold func(ctx context.Context, bytes int64) *Refusal
	// Detach, where set, is called when the client's connection has been taken over, just
	// before Serve returns nil: the call goes on without its handler, and the context must
	// outlive it. What it returns hears once how the call ended, and with what it panicked,
	// nil for nothing.
	Detach func() (ended func(out *Outcome, panicked any))
}

// Outcome is how a call ended.
type Outcome struct {
	Status            int // What the client was told; 499 where it was gone before.
	BytesIn, BytesOut uint64
	Stream            string // A constant event.Stream….
	Sensitivity       string // As in Progress.
	// Lasted says that Observer.Open was called.
	Lasted bool
	// Decision is that of Call.Hold, where it refused the response; else empty.
	Decision string
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

	streamed bool // It counts among the streams that were open.
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
		strip: make(map[string]struct{}), endless: make(map[drainer]struct{}), pins: make(map[string]transports),
	}
	p.young.after, p.young.now = o.Config.LongAfter, o.Now
	p.buffers.New = func() any { return new([bufferBytes]byte) }
	for _, h := range o.Config.StripHeaders {
		p.strip[spelled(h)] = struct{}{}
	}
	p.metrics, err = newMetrics(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	err = p.openTransports()
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return p, nil
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
	p.direct.CloseIdleConnections()
	p.tls.close()
	p.h2c.close()
	for _, t := range p.pins {
		t.close()
	}
}

// Serve forwards r and answers w; c and r's header are the proxy's from then on, which may
// empty them. It returns when the
// last byte has been written, or given up; nil where c.Detach was called.
func (p *Proxy) Serve(w http.ResponseWriter, r *http.Request, c *Call) *Outcome {
	ctx := r.Context()
	x := &exchange{proxy: p, call: c, w: w, r: r, rc: http.NewResponseController(w), began: p.now()}
	x.under = watched{ctx, x}
	x.takeBody()
	p.young.add(x)
	stop := context.AfterFunc(ctx, x.over)
	defer func() { // Also where run panics: its timer would report a stream for ever that is none.
		stop()
		if !x.detached {
			x.close(ctx)
		}
	}()
	x.run(ctx)
	if x.detached {
		return nil
	}
	if e := x.fault(); e != nil {
		panic(e)
	}
	return &x.outcome
}
