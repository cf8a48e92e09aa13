package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/profile"
)

// profileRow is one row of table models.
type profileRow struct {
	header  state.Header
	profile scorer.Profile
	hours   []uint8
	counts  []uint8
}

// newProfileRow copies a profile, whose week is its reader's.
func newProfileRow(h state.Header, p *scorer.Profile) profileRow {
	r := profileRow{header: h, profile: *p, hours: []uint8{}, counts: []uint8{}}
	for hour, n := range p.Hours.Hours {
		r.hours, r.counts = append(r.hours, uint8(hour)), append(r.counts, uint8(n))
	}
	r.profile.Hours = profile.Week{}
	return r
}

// values are the two columns of a habit: what, and how often.
func values(name, counts string, get func(*scorer.Profile) []profile.Value) []column[profileRow] {
	return []column[profileRow]{
		col(name, func(r *profileRow) []string {
			out := []string{}
			for _, v := range get(&r.profile) {
				out = append(out, v.Name)
			}
			return out
		}),
		col(counts, func(r *profileRow) []float64 {
			out := []float64{}
			for _, v := range get(&r.profile) {
				out = append(out, finite(v.N))
			}
			return out
		}),
	}
}

func profileColumns() []column[profileRow] {
	out := []column[profileRow]{
		col("tenant", func(r *profileRow) string { return r.profile.Tenant }),
		col("subject", func(r *profileRow) string { return r.profile.Subject }),
		col("requests", func(r *profileRow) uint64 { return r.profile.Requests }),
		col("learned", func(r *profileRow) float64 { return finite(r.profile.Learned) }),
		col("hours", func(r *profileRow) []uint8 { return r.hours }),
		col("hour_counts", func(r *profileRow) []uint8 { return r.counts }),
		col("last_seen", func(r *profileRow) time.Time { return seen(r.profile.LastSeen) }),
		col("last_country", func(r *profileRow) string { return r.profile.LastCountry }),
		col("last_network", func(r *profileRow) string { return r.profile.LastNetwork }),
		col("last_client", func(r *profileRow) string { return r.profile.LastClient }),
		col("model", func(r *profileRow) string { return r.header.Model }),
		col("epoch", func(r *profileRow) uint64 { return r.header.Epoch }),
		col("kafka_topic", func(r *profileRow) string { return r.header.Topic }),
		col("kafka_partition", func(r *profileRow) int32 { return int32(r.header.Partition) }),
		col("kafka_offset", func(r *profileRow) int64 { return r.header.Next - 1 }),
		col("ingested_at", func(r *profileRow) time.Time { return r.header.Saved }),
	}
	out = append(out, values("countries", "country_counts", func(p *scorer.Profile) []profile.Value { return p.Countries })...)
	out = append(out, values("networks", "network_counts", func(p *scorer.Profile) []profile.Value { return p.Networks })...)
	out = append(out, values("clients", "client_counts", func(p *scorer.Profile) []profile.Value { return p.Clients })...)
	out = append(out, values("systems", "system_counts", func(p *scorer.Profile) []profile.Value { return p.Systems })...)
	out = append(out, values("devices", "device_counts", func(p *scorer.Profile) []profile.Value { return p.Devices })...)
	return append(out, values("routes", "route_counts", func(p *scorer.Profile) []profile.Value { return p.Routes })...)
}

// seen is a time as column last_seen keeps it.
func seen(t time.Time) time.Time {
	if t.Unix() < timeMin || t.Unix() > timeMax {
		return time.Unix(0, 0).UTC()
	}
	return t
}

// Describe implements [state.Archive]. It writes the profiles of which there can be
// news since the last time, by the times of their latest events; the first time it
// writes all of them.
func (a *Archive) Describe(ctx context.Context, h state.Header, profiles func(yield func(*scorer.Profile) bool) error) error {
	partition := h.Topic + "/" + strconv.Itoa(h.Partition)
	a.mu.Lock()
	since := a.described[partition]
	a.mu.Unlock()
	latest, blocks := since, 0
	columns := profileColumns()
	rows := make([]profileRow, 0, profilesPerBlock)
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		err := newBlock("models", columns, rows).insert(ctx, a.conn, newSpares(), tokenOf("models", h, blocks), &a.config)
		rows, blocks = rows[:0], blocks+1
		return err
	}
	var failed error
	err := profiles(func(p *scorer.Profile) bool {
		if p.LastSeen.After(latest) {
			latest = p.LastSeen
		}
		if !since.IsZero() && p.LastSeen.Before(since.Add(-lateMax)) {
			return true
		}
		rows = append(rows, newProfileRow(h, p))
		if len(rows) == profilesPerBlock {
			failed = flush()
		}
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	if err == nil {
		err = flush()
	}
	if err != nil {
		return fmt.Errorf("store profiles: %w", err)
	}
	a.mu.Lock()
	a.described[partition] = latest
	a.mu.Unlock()
	return nil
}
