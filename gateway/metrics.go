package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// metrics are the instruments of the whole line. Attributes are routes, codes
// and kinds, which are few by configuration; never who or where.
type metrics struct {
	requests metric.Int64Counter
	duration metric.Float64Histogram
	toCut    metric.Float64Histogram
	panics   metric.Int64Counter
	reloads  metric.Int64Counter
	held     metric.Int64Counter

	active *atomic.Int64 // Requests that are in flight.
	series *series
}

func newMetrics(m metric.Meter, feed func() int64) (metrics, error) {
	x := metrics{active: new(atomic.Int64), series: &series{known: make(map[labels]measures)}}
	var errs [8]error
	x.requests, errs[0] = m.Int64Counter("vigil.gateway.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests by route, decision and reason."))
	// The boundaries that OpenTelemetry's semantic conventions advise, and one
	// finer step: an added latency of a millisecond is a lot here.
	x.duration, errs[1] = m.Float64Histogram("http.server.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of requests that are no streams."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10))
	// Read when asked for: counting up and down would cost each request twice.
	_, errs[2] = m.Int64ObservableUpDownCounter("http.server.active_requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that are in flight, streams included."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(x.active.Load())
			return nil
		}))
	// The promise is well below a second.
	x.toCut, errs[3] = m.Float64Histogram("vigil.gateway.event_to_cut", metric.WithUnit("s"),
		metric.WithDescription("From the offending event to the last byte of what its verdict ended, by stream."),
		metric.WithExplicitBucketBoundaries(.005, .01, .02, .03, .05, .075, .1, .15, .2, .3, .5, .75, 1, 2, 5, 15))
	x.panics, errs[4] = m.Int64Counter("vigil.gateway.panics", metric.WithUnit("{panic}"),
		metric.WithDescription("Requests whose handler panicked."))
	x.reloads, errs[5] = m.Int64Counter("vigil.gateway.reloads", metric.WithUnit("{reload}"),
		metric.WithDescription("Reloads of routes and issuers by result."))
	_, errs[6] = m.Int64ObservableGauge("vigil.gateway.feed", metric.WithDescription("How the verdicts are known: 0 to the head, 1 starting, 2 unknown or stale."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(feed())
			return nil
		}))
	x.held, errs[7] = m.Int64Counter("vigil.gateway.held", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that waited because their session was used from a new place."))
	err := errors.Join(errs[:]...)
	if err != nil {
		return x, fmt.Errorf("register metrics: %w", err)
	}
	return x, nil
}

// done counts a request that has ended.
func (m metrics) done(ctx context.Context, c *call, seconds float64) {
	e := c.event
	with := m.series.of(labels{
		route: e.Route, decision: e.Decision, reason: e.Reason, method: knownMethod(e.Method), class: e.Status / 100,
	})
	m.requests.Add(ctx, 1, with.requests...)
	if c.lasted {
		return
	}
	m.duration.Record(ctx, seconds, with.duration...)
}

// labels are what a request is counted under.
type labels struct {
	route, decision, reason, method string
	class                           uint32 // Of its status: 2 for 200.
}

// measures are labels in the form that instruments take.
type measures struct {
	requests []metric.AddOption
	duration []metric.RecordOption
}

// series remembers measures, because to sort and hash attributes takes longer
// than to count.
type series struct {
	mu    sync.RWMutex
	known map[labels]measures
}

// of returns the measures of labels. Beyond [seriesMax] they are made each time.
func (s *series) of(l labels) measures {
	s.mu.RLock()
	m, ok := s.known[l]
	s.mu.RUnlock()
	if ok {
		return m
	}
	m = measures{
		requests: []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("route", l.route),
			attribute.String("decision", l.decision), attribute.String("reason", l.reason)))},
		duration: []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attribute.String("http.request.method", l.method),
			attribute.String("http.route", l.route), attribute.String("http.response.status_class", strconv.Itoa(int(l.class))+"xx")))},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) < seriesMax {
		s.known[l] = m
	}
	return m
}

// knownMethod keeps what clients invent out of the attributes.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return m
	}
	return "_OTHER"
}

func byStream(kind string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("stream", kind))
}
