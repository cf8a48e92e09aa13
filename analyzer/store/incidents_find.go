package store

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/analyzer/incident"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// candidate is a verdict, or a judgement that waits, that the log has not got.
type candidate struct {
	Tenant     string    `ch:"tenant"`
	ID         string    `ch:"id"`
	EventID    string    `ch:"event_id"`
	Time       time.Time `ch:"event_time"`
	TargetKind string    `ch:"target_kind"`
	TargetID   string    `ch:"target_id"`
	Subject    string    `ch:"subject"`
	Action     string    `ch:"action"`
	Score      float64   `ch:"score"`
	Signals    []string  `ch:"signals"`
	Nats       []float64 `ch:"nats"`
	Hard       []bool    `ch:"hard"`
	Announced  bool      `ch:"announced"`
	Patient    bool      `ch:"patient"` // Its event may still come.

	event *eventShown
}

// candidates are the verdicts of the analyzer, and its judgements without one, that
// were stored lately and are not in the log, oldest first.
const candidates = `
SELECT * FROM
(
SELECT
    toString(v.tenant) AS tenant, v.id AS id, v.cause_event_id AS event_id, v.cause_event_time AS event_time,
    toString(v.target_kind) AS target_kind, v.target_id AS target_id, v.subject AS subject, toString(v.action) AS action, v.score AS score,
    CAST(v.evidence_signal, 'Array(String)') AS signals, v.evidence_nats AS nats, v.evidence_hard AS hard, true AS announced,
    toBool(v.ingested_at > now64(3) - toIntervalMillisecond({patience:Int64})) AS patient
FROM (SELECT * FROM verdicts FINAL WHERE ingested_at >= now64(3) - toIntervalMillisecond({back:Int64})) AS v
WHERE v.origin = 'model' AND v.action != 'observe'
    AND (v.tenant, v.id) NOT IN (SELECT tenant, verdict_id FROM incident_findings WHERE ingested_at >= now64(3) - toIntervalMillisecond({known:Int64}))
UNION ALL
SELECT
    toString(a.tenant), a.verdict_id, any(a.event_id), any(a.time), any(a.about_kind), any(a.about_id), any(a.subject), toString(any(a.action)), any(a.session_score),
    CAST(groupArray(e.signal), 'Array(String)'), groupArray(e.nats), groupArray(e.hard), false, toBool(max(a.ingested_at) > now64(3) - toIntervalMillisecond({patience:Int64}))
FROM
(
    SELECT tenant, verdict_id, event_id, time, if(target_kind = '', if(session != '', 'session', 'address'), toString(target_kind)) AS about_kind,
        multiIf(target_id != '', target_id, session != '', session, address) AS about_id, subject, action, session_score, ingested_at
    FROM assessments
    WHERE verdict_id != '' AND NOT shadow AND ingested_at >= now64(3) - toIntervalMillisecond({back:Int64}) AND ingested_at <= now64(3) - toIntervalMillisecond({held:Int64})
        AND (tenant, verdict_id) NOT IN (SELECT tenant, verdict_id FROM incident_findings WHERE ingested_at >= now64(3) - toIntervalMillisecond({known:Int64}))
        AND (tenant, verdict_id) NOT IN (SELECT tenant, id FROM verdicts WHERE ingested_at >= now64(3) - toIntervalMillisecond({known:Int64}))
    LIMIT 1 BY tenant, verdict_id
) AS a
LEFT JOIN (SELECT tenant, verdict_id, signal, nats, hard FROM evidence WHERE verdict_id != '' AND ingested_at >= now64(3) - toIntervalMillisecond({back:Int64})) AS e ON e.tenant = a.tenant AND e.verdict_id = a.verdict_id
GROUP BY a.tenant, a.verdict_id
)
ORDER BY event_time, tenant, id
LIMIT {most:UInt64}`

// findings are the next to be taken, in order; more says that there are others.
func (g *incidents) findings(ctx context.Context, back time.Duration) (found []incident.Finding, more bool, err error) {
	list := []candidate{}
	err = g.store.conn.Select(ctx, &list, candidates, named(map[string]int64{
		"back": back.Milliseconds(), "known": (lateWide + back).Milliseconds(), "patience": patience.Milliseconds(),
		"held": heldAfter.Milliseconds(), "most": findingsBatch,
	})...)
	if err != nil {
		return nil, false, fmt.Errorf("look for findings: %w", err)
	}
	more = len(list) == findingsBatch
	byTenant := make(map[string][]*candidate)
	var tenants []string
	for i := range list {
		c := &list[i]
		if byTenant[c.Tenant] == nil {
			tenants = append(tenants, c.Tenant)
		}
		byTenant[c.Tenant] = append(byTenant[c.Tenant], c)
	}
	for _, tenant := range tenants {
		some, err := g.complete(ctx, tenant, byTenant[tenant])
		if err != nil {
			return nil, false, err
		}
		found = append(found, some...)
	}
	slices.SortStableFunc(found, func(a, b incident.Finding) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.VerdictID, b.VerdictID))
	})
	return found, more, nil
}

// complete adds to a tenant's candidates what ClickHouse knows about them, and
// leaves out for now whose event is not stored yet.
func (g *incidents) complete(ctx context.Context, tenant string, list []*candidate) ([]incident.Finding, error) {
	err := g.events(ctx, tenant, list)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(c *candidate) bool { return c.event == nil && c.Patient })
	if len(list) == 0 {
		return nil, nil
	}
	found := make([]incident.Finding, len(list))
	for i, c := range list {
		found[i] = c.finding()
	}
	err = g.shares(ctx, tenant, found)
	if err != nil {
		return nil, err
	}
	err = g.usual(ctx, tenant, found)
	if err != nil {
		return nil, err
	}
	for i := range found {
		err = g.behind(ctx, &found[i])
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// finding is a candidate with what its event shows; shares are not known yet.
func (c *candidate) finding() incident.Finding {
	f := incident.Finding{
		Tenant: c.Tenant, VerdictID: c.ID, Time: c.Time, Target: incident.TargetOf(c.TargetKind, c.TargetID),
		Action: c.Action, Score: c.Score, Announced: c.Announced,
	}
	type weighed struct {
		signal string
		nats   float64
	}
	var against []weighed
	for i := range min(len(c.Signals), len(c.Nats), len(c.Hard)) {
		f.Hard = f.Hard || c.Hard[i]
		if c.Signals[i] != "" && c.Nats[i] > 0 {
			against = append(against, weighed{c.Signals[i], c.Nats[i]})
		}
	}
	slices.SortFunc(against, func(a, b weighed) int { return cmp.Or(cmp.Compare(b.nats, a.nats), cmp.Compare(a.signal, b.signal)) })
	for _, w := range against {
		f.Signals = append(f.Signals, w.signal)
	}
	show := func(kind, id string) {
		t := incident.Thing{Kind: kind, ID: id}
		if id != "" && !slices.ContainsFunc(f.Shown, func(s incident.Shown) bool { return s.Kind == kind }) {
			f.Shown = append(f.Shown, incident.Shown{Thing: t})
		}
	}
	show(f.Target.Kind, f.Target.ID) // First: of each kind one is shown.
	show(verdict.TargetSubject, c.Subject)
	if e := c.event; e != nil {
		show(verdict.TargetSession, e.Session)
		show(verdict.TargetSubject, e.Subject)
		show(verdict.TargetAddress, e.Address)
		show(verdict.TargetPrefix, prefixOf(e.Address))
		if e.ASN != 0 {
			show(incident.KindNetwork, fmt.Sprint("AS", e.ASN))
		}
		show(verdict.TargetJA4, e.JA4)
		if e.JA4 != "" && e.ASN != 0 {
			show(incident.KindProgram, verdict.JA4In(e.JA4, e.ASN))
		}
		show(verdict.TargetDevice, e.Device)
		show(verdict.TargetClient, e.Client)
		show(verdict.TargetAccount, e.Account)
		show(verdict.TargetRoute, e.Route)
	}
	return f
}

// prefixOf is the /24 or /48 of an address, as the facet stage names it; "" where it
// is none.
func prefixOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	a = a.Unmap().WithZone("")
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}
