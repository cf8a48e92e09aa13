package ingest

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/scorer"
)

// measured is the part of an engine that knows what its limits have cost.
type measured interface {
	Stats() scorer.Stats
}

// bounds follows what one partition's engine holds and what its limits pushed out.
// It belongs to the worker.
type bounds struct{ last scorer.Stats }

// begin takes what an engine has counted before this worker had it as known; what it
// holds is not.
func (b *bounds) begin(e Engine) {
	m, ok := e.(measured)
	if !ok {
		return
	}
	s := m.Stats()
	b.last = scorer.Stats{
		Evicted: s.Evicted, Undetected: s.Undetected, RulesMissed: s.RulesMissed, EpochsMissed: s.EpochsMissed,
		PeerGroupsDropped: s.PeerGroupsDropped, Late: s.Late,
	}
}

// count adds what has happened since the last call. An engine that was restored
// counts anew.
func (b *bounds) count(ctx context.Context, e Engine, x *metrics) {
	m, ok := e.(measured)
	if !ok {
		return
	}
	now := m.Stats()
	for _, c := range [...]struct {
		limit     string
		now, last uint64
	}{
		{"entities", now.Evicted, b.last.Evicted},
		{"detectors", now.Undetected, b.last.Undetected},
		{"rules", now.RulesMissed, b.last.RulesMissed},
		{"epochs", now.EpochsMissed, b.last.EpochsMissed},
		{"peer_groups", now.PeerGroupsDropped, b.last.PeerGroupsDropped},
		{"lateness", now.Late, b.last.Late},
	} {
		n := c.now - c.last
		if c.now < c.last {
			n = c.now
		}
		if n > 0 {
			x.limited.Add(ctx, int64(n), metric.WithAttributes(attribute.String("limit", c.limit)))
		}
	}
	b.hold(ctx, x, &now)
	b.last = now
}

// leave takes what the engine held out of the sum: another owner counts it.
func (b *bounds) leave(ctx context.Context, x *metrics) { b.hold(ctx, x, new(scorer.Stats)) }

// hold moves the sum over all partitions of what engines hold.
func (b *bounds) hold(ctx context.Context, x *metrics, now *scorer.Stats) {
	for _, h := range [...]struct {
		kind      string
		now, last int
	}{
		{"session", now.Sessions, b.last.Sessions},
		{"subject", now.Subjects, b.last.Subjects},
		{"address", now.Addresses, b.last.Addresses},
		{"tenant", now.Tenants, b.last.Tenants},
		{"detector", now.Detectors, b.last.Detectors},
		{"peer_group", now.PeerGroups, b.last.PeerGroups},
	} {
		if h.now != h.last {
			x.held.Add(ctx, int64(h.now-h.last), metric.WithAttributes(attribute.String("kind", h.kind)))
		}
	}
}
