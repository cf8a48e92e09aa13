package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/vigil-gateway/vigil/analyzer/incident"
	"github.com/vigil-gateway/vigil/schemas/topic"
)

// incidents gathers what is stored into incidents. Whoever owns the first partition
// of vigil.verdicts does so, and there is nobody else: the verdicts of one campaign
// stand in many partitions, and what their events show in none of them, but both are
// in ClickHouse, each once. The log of what was decided is there, too, so that a
// successor goes on from it, and an outage of ClickHouse is lag here as well. Two
// that overlap for a moment decide the same, and their rows are one.
type incidents struct {
	store *Store
	book  *incident.Book // Nil until the log was read.
	wide  time.Time      // When what came late was last looked for.
}

// gathersIncidents reports whether the owner of a partition gathers.
func gathersIncidents(name string, partition int) bool {
	return name == topic.Verdicts && partition == 0
}

// run gathers until ctx ends. Whatever goes wrong is tried again.
func (g *incidents) run(ctx context.Context) {
	for ctx.Err() == nil {
		taken, err := g.step(ctx)
		if err != nil {
			g.book = nil // What of the last entries is stored is to be read.
			if ctx.Err() == nil {
				g.store.fault(ctx, "incidents", err)
			}
		}
		if taken < findingsBatch { // Else there is more.
			pause(ctx, g.store.o.Config.incidentsEvery())
		}
	}
}

// incidentsEvery is how often incidents are gathered: sooner where rows are stored
// sooner.
func (c Config) incidentsEvery() time.Duration { return min(incidentsEvery, 10*c.Linger) }

// step takes what was found since the last one, at most findingsBatch, and returns
// how much that was.
func (g *incidents) step(ctx context.Context) (taken int, err error) {
	err = g.store.migrate(ctx)
	if err != nil {
		return 0, err
	}
	if g.book == nil {
		g.book, err = g.load(ctx)
		if err != nil {
			return 0, err
		}
		g.wide = time.Time{}
	}
	now := g.store.o.Now()
	back := lateNarrow
	if now.Sub(g.wide) >= wideEvery {
		back = lateWide
	}
	found, more, err := g.findings(ctx, back)
	if err != nil {
		return 0, err
	}
	if back == lateWide && !more {
		g.wide = now
	}
	if len(found) == 0 {
		return 0, nil
	}
	closed, err := g.closed(ctx)
	if err != nil {
		return 0, err
	}
	g.book.Close(closed)
	retired := g.book.Retired()
	var rows []incidentRow
	began := 0
	for _, f := range found {
		before := g.book.Open()
		e, fresh := g.book.Take(f)
		if !fresh {
			continue
		}
		if g.book.Open() > before {
			began++
		}
		rows = append(rows, incidentRow{e, now.UTC()})
	}
	err = g.write(ctx, rows)
	if err != nil {
		return 0, err
	}
	x := g.store.metrics
	x.incidents.Add(ctx, int64(began), metric.WithAttributes(attribute.String("result", "began")))
	x.incidents.Add(ctx, int64(g.book.Retired()-retired), metric.WithAttributes(attribute.String("result", "gave_way")))
	return len(found), nil
}

// incidentRow is one row of incident_findings.
type incidentRow struct {
	incident.Entry
	at time.Time
}

// write stores entries as one block. Its token follows from the verdicts, so that
// who repeats a write that it did not see succeed stores nothing twice.
func (g *incidents) write(ctx context.Context, rows []incidentRow) error {
	if len(rows) == 0 {
		return nil
	}
	sum := sha256.New()
	for i := range rows {
		_, _ = fmt.Fprintf(sum, "%q %q %q\n", rows[i].Finding.Tenant, rows[i].Finding.VerdictID, rows[i].Incident) // A hash takes all.
	}
	b := newBlock("incident_findings", incidentColumns(), rows)
	return b.insert(ctx, g.store.conn, g.store.spare, "incidents-"+hex.EncodeToString(sum.Sum(nil)[:16]), &g.store.o.Config)
}

func incidentColumns() []column[incidentRow] {
	type row = incidentRow
	return []column[row]{
		col("tenant", func(r *row) string { return r.Finding.Tenant }),
		col("verdict_id", func(r *row) string { return r.Finding.VerdictID }),
		col("ordinal", func(r *row) uint64 { return r.Ordinal }),
		col("incident_id", func(r *row) string { return r.Incident }),
		col("merges", func(r *row) []string { return list(r.Merges) }),
		col("time", func(r *row) time.Time { return r.Finding.Time }),
		col("target_kind", func(r *row) string { return r.Finding.Target.Kind }),
		col("target_id", func(r *row) string { return r.Finding.Target.ID }),
		col("action", func(r *row) string { return r.Finding.Action }),
		col("score", func(r *row) float64 { return finite(r.Finding.Score) }),
		col("announced", func(r *row) bool { return r.Finding.Announced }),
		col("hard", func(r *row) bool { return r.Finding.Hard }),
		col("signals", func(r *row) []string { return list(r.Finding.Signals) }),
		col("usual", func(r *row) float64 { return finite(r.Finding.Usual) }),
		col("shown_kind", func(r *row) []string { return each(r.Finding.Shown, func(s incident.Shown) string { return s.Kind }) }),
		col("shown_id", func(r *row) []string { return each(r.Finding.Shown, func(s incident.Shown) string { return s.ID }) }),
		col("shown_share", func(r *row) []float64 {
			return each(r.Finding.Shown, func(s incident.Shown) float64 { return finite(s.Share) })
		}),
		col("behind_kind", func(r *row) []string { return each(r.Finding.Behind, func(t incident.Thing) string { return t.Kind }) }),
		col("behind_id", func(r *row) []string { return each(r.Finding.Behind, func(t incident.Thing) string { return t.ID }) }),
		col("ingested_at", func(r *row) time.Time { return r.at }),
	}
}
