package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/incident"
)

// logged is an entry as the log has it.
type logged struct {
	Tenant     string    `ch:"tenant"`
	VerdictID  string    `ch:"verdict_id"`
	Ordinal    uint64    `ch:"ordinal"`
	Incident   string    `ch:"incident_id"`
	Merges     []string  `ch:"merges"`
	Time       time.Time `ch:"time"`
	TargetKind string    `ch:"target_kind"`
	TargetID   string    `ch:"target_id"`
	Signals    []string  `ch:"signals"`
	ShownKind  []string  `ch:"shown_kind"`
	ShownID    []string  `ch:"shown_id"`
	ShownShare []float64 `ch:"shown_share"`
}

// load makes the book of the log: of the incidents that something was found of
// lately, and of those that they have absorbed.
func (g *incidents) load(ctx context.Context) (*incident.Book, error) {
	rows := []logged{}
	err := g.store.conn.Select(ctx, &rows, `
WITH active AS
(
    SELECT incident_id FROM incident_findings GROUP BY incident_id
    HAVING max(time) >= (SELECT max(time) FROM incident_findings) - toIntervalSecond(?)
)
SELECT
    toString(f.tenant) AS tenant, f.verdict_id AS verdict_id, f.ordinal AS ordinal, f.incident_id AS incident_id, f.merges AS merges, f.time AS time,
    toString(f.target_kind) AS target_kind, f.target_id AS target_id, CAST(f.signals, 'Array(String)') AS signals,
    CAST(f.shown_kind, 'Array(String)') AS shown_kind, f.shown_id AS shown_id, f.shown_share AS shown_share
FROM (SELECT * FROM incident_findings FINAL) AS f
WHERE f.incident_id IN (SELECT incident_id FROM active) OR f.incident_id IN (SELECT arrayJoin(merges) FROM incident_findings WHERE incident_id IN (SELECT incident_id FROM active))
ORDER BY f.ordinal DESC, f.tenant, f.verdict_id LIMIT ?`, int64(2*incident.Quiet/time.Second), logMax)
	if err != nil {
		return nil, fmt.Errorf("read the log of incidents: %w", err)
	}
	b := incident.NewBook()
	for _, r := range slices.Backward(rows) {
		b.Apply(r.entry())
	}
	return b, nil
}

func (r *logged) entry() incident.Entry {
	e := incident.Entry{Ordinal: r.Ordinal, Incident: r.Incident, Merges: r.Merges, Finding: incident.Finding{
		Tenant: r.Tenant, VerdictID: r.VerdictID, Time: r.Time, Target: incident.Thing{Kind: r.TargetKind, ID: r.TargetID}, Signals: r.Signals,
	}}
	for i := range min(len(r.ShownKind), len(r.ShownID), len(r.ShownShare)) {
		e.Finding.Shown = append(e.Finding.Shown, incident.Shown{Thing: incident.Thing{Kind: r.ShownKind[i], ID: r.ShownID[i]}, Share: r.ShownShare[i]})
	}
	return e
}

// closed are the incidents that people have closed lately and not opened again.
func (g *incidents) closed(ctx context.Context) ([]string, error) {
	rows := []struct {
		ID string `ch:"incident_id"`
	}{}
	err := g.store.conn.Select(ctx, &rows, `
SELECT incident_id FROM incident_words WHERE word IN (?, ?, ?) AND time >= now64(6) - toIntervalDay(?)
GROUP BY tenant, incident_id HAVING argMax(word, time) = ?`,
		incident.WordAcknowledge, incident.WordClose, incident.WordReopen, wordDays, incident.WordClose)
	if err != nil {
		return nil, fmt.Errorf("read what was said about incidents: %w", err)
	}
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	return ids, nil
}
