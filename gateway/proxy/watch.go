package proxy

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// stillTicks is how many times TickEvery lie between two reports of a stream on which
// nothing moves: they say only that it is open, and a hundred thousand such streams
// must not cost more than what does move. Scoring takes a stream for open up to 30
// seconds after a report.
const stillTicks = 4

// moved notes that bytes have gone either way.
func (x *exchange) moved() {
	total := x.total()
	ticked := x.ticked.Load()
	// Twice as much each time: what is carried off between two reports is never
	// more than what was reported, and a long stream makes few of them.
	limit := min(uint64(x.proxy.config.TickBytes), max(uint64(x.proxy.config.LongBytes), ticked))
	if total-ticked < limit {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done || total-x.ticked.Load() < limit {
		return
	}
	x.ticked.Store(total)
	if !x.lasting {
		x.last("")
		return
	}
	x.tick()
}

func (x *exchange) total() uint64 { return x.bytesIn() + x.out.Load() }

// lasts says that the exchange is known to last, as a stream of a kind.
func (x *exchange) lasts(kind string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.done && !x.lasting {
		x.last(kind)
	}
}

// announced reports whether a response says of itself that it will last.
func (x *exchange) announced(res *http.Response) bool {
	return x.r.Method != http.MethodHead && res.StatusCode != http.StatusNotModified && res.ContentLength >= x.proxy.config.LongBytes
}

// wait holds the first byte back until the call's time and for what its length
// asks for, or until it is cut.
func (x *exchange) wait(ctx context.Context) {
	if x.call.Hold != nil {
		return // It has waited for more.
	}
	left := x.call.NotBefore.Sub(x.proxy.now())
	if !x.call.Match.Route.Public {
		left = max(left, x.proxy.config.LongHold)
	}
	if left <= 0 {
		return
	}
	over := time.NewTimer(left)
	defer over.Stop()
	select {
	case <-ctx.Done():
	case <-over.C:
	}
}

// last notes that the exchange is a stream, and reports it. Where no kind is known yet, it is a download once the
// response has begun, and an upload before. Called with mu held.
func (x *exchange) last(kind string) {
	if kind == "" {
		kind = x.call.Visit.Stream()
	}
	if kind == event.StreamRequest {
		kind = event.StreamUpload
		if x.status.Load() != 0 {
			kind = event.StreamDownload
		}
	}
	x.lasting = true
	x.call.Visit.SetStream(kind)
	if x.body.unfinished() { // Whatever the answer is, he who asks has not done yet.
		x.call.Visit.SetWrites()
	}
	x.idle, x.idleAt = x.total(), x.proxy.now()
	x.schedule(min(x.proxy.config.TickEvery, x.left(x.idleAt)))
	x.proxy.metrics.streams.Add(context.WithoutCancel(x.r.Context()), 1, metric.WithAttributes(attribute.String("stream", kind)))
	x.report()
}

// report reports Open, and Tick from then on. Called with mu held.
func (x *exchange) report() {
	if x.opened {
		x.tick()
		return
	}
	x.opened = true
	if x.call.Observer != nil {
		x.call.Observer.Open(x.progress())
	}
}

// beat is the timer: it finds out that a request lasts, reports progress, and
// ends what stands still or has come to its end.
func (x *exchange) beat() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done {
		return
	}
	if !x.lasting {
		if x.status.Load() != 0 || x.body.unfinished() || x.call.Visit.Stream() != event.StreamRequest {
			x.last("")
			return
		}
		x.schedule(min(waitCheck, x.proxy.config.LongAfter)) // It waits for its upstream: a slow request, not a stream.
		return
	}
	total, now := x.total(), x.proxy.now()
	x.still++
	if total != x.idle {
		x.idle, x.idleAt, x.still = total, now, stillTicks
	} else if now.Sub(x.idleAt) >= x.proxy.config.IdleTimeout {
		x.call.Visit.Abort(errIdle)
		return
	}
	left := x.left(now)
	if left <= 0 {
		x.call.Visit.Expire()
		return
	}
	if x.still >= stillTicks {
		x.tick()
	}
	x.schedule(min(x.proxy.config.TickEvery, max(x.proxy.config.IdleTimeout, time.Millisecond), left))
}

// schedule has beat run after a time, and not before. Called with mu held.
func (x *exchange) schedule(d time.Duration) {
	if x.timer != nil {
		x.timer.Reset(d)
		return
	}
	x.proxy.young.remove(x)
	x.timer = time.AfterFunc(d, x.caught(x.beat))
}

// left is how long a stream may go on, as things are. Called with mu held.
func (x *exchange) left(now time.Time) time.Duration {
	if x.call.Observer == nil {
		return math.MaxInt64
	}
	ends := x.call.Observer.Ends()
	if ends.IsZero() {
		return math.MaxInt64
	}
	return ends.Sub(now)
}

// tick reports progress. Called with mu held.
func (x *exchange) tick() {
	x.still = 0
	if x.call.Observer != nil {
		x.call.Observer.Tick(x.progress())
	}
}

func (x *exchange) progress() Progress {
	return Progress{
		Stream: x.call.Visit.Stream(), Status: cmp.Or(int(x.status.Load()), x.upstreamStatus), BytesIn: x.bytesIn(), BytesOut: x.out.Load(),
		Announced:   uint64(x.announces.Load()),
		Sensitivity: x.sensitivity,
		Lasts:       x.lasting, Awaited: x.awaited,
	}
}
