package store

import (
	"bytes"
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// decodeVerdict reads a record of vigil.verdicts: verified first, then decoded.
// Heartbeats and the tombstones of compaction are blank. A heartbeat is known
// by its header before anything is verified: what it says is not stored.
func decodeVerdict(keys Opener) func(r record) (message any, blank bool, err error) {
	return func(r record) (message any, blank bool, err error) {
		kind, _ := r.Header("ce_type")
		if r.Value == nil || bytes.Equal(kind, []byte(cloudevent.TypeHeartbeat)) {
			return nil, true, nil
		}
		m, err := keys.Open(r.Value)
		if err != nil {
			return nil, false, err
		}
		if m.Verdict == nil {
			return nil, true, nil
		}
		return m.Verdict, false, nil
	}
}

// decodeEnforcement reads a record of vigil.enforcements.
func decodeEnforcement(r record) (message any, blank bool, err error) {
	_, err = cloudevent.ContentType(r.Header)
	if err != nil {
		return nil, false, err
	}
	e, err := verdict.DecodeEnforcement(r.Value)
	if err != nil {
		return nil, false, err
	}
	return e, false, nil
}

// verdictRow is one row of verdicts.
type verdictRow struct {
	*verdict.Verdict
	position
}

// verdicts collects verdicts; the table itself folds repeated ids.
type verdicts struct{ rows []verdictRow }

func (c *verdicts) add(i item, at position) {
	v, ok := i.message.(*verdict.Verdict)
	if ok {
		c.rows = append(c.rows, verdictRow{v, at})
	}
}

func (c *verdicts) blocks() []block {
	if len(c.rows) == 0 {
		return nil
	}
	return []block{newBlock("verdicts", verdictColumns(), c.rows)}
}

// each is one member of every element of a list.
func each[E, T any](elements []E, get func(E) T) []T {
	out := make([]T, len(elements))
	for i, e := range elements {
		out[i] = get(e)
	}
	return out
}

func verdictColumns() []column[verdictRow] {
	type row = verdictRow
	type evidence = *verdict.Evidence
	type voided = *verdict.Clear
	return slices.Concat([]column[row]{
		col("tenant", func(r *row) string { return r.Tenant }),
		col("time", func(r *row) time.Time { return moment(r.Time) }),
		col("id", func(r *row) string { return r.Id }),
		col("epoch", func(r *row) uint64 { return r.Epoch }),
		col("seq", func(r *row) uint64 { return r.Seq }),
		col("authority", func(r *row) string { return r.Authority }),
		col("kid", func(r *row) string { return r.Kid }),
		col("target_kind", func(r *row) string { return r.Target.GetKind() }),
		col("target_id", func(r *row) string { return r.Target.GetId() }),
		col("action", func(r *row) string { return r.Action }),
		col("until", func(r *row) time.Time { return moment(r.Until) }),
		col("not_before", func(r *row) time.Time { return moment(r.NotBefore) }),
		col("score", func(r *row) float64 { return finite(r.Score) }),
		col("evidence_signal", func(r *row) []string { return each(r.Evidence, evidence.GetSignal) }),
		col("evidence_group", func(r *row) []string { return each(r.Evidence, evidence.GetGroup) }),
		col("evidence_nats", func(r *row) []float64 {
			return each(r.Evidence, func(e evidence) float64 { return finite(e.GetNats()) })
		}),
		col("evidence_text", func(r *row) []string { return each(r.Evidence, evidence.GetText) }),
		col("evidence_hard", func(r *row) []bool { return each(r.Evidence, evidence.GetHard) }),
		col("evidence_technique", func(r *row) []string { return each(r.Evidence, evidence.GetTechnique) }),
		col("model", func(r *row) string { return r.Model }),
		col("cause_event_id", func(r *row) string { return r.Cause.GetEventId() }),
		col("cause_topic", func(r *row) string { return r.Cause.GetTopic() }),
		col("cause_partition", func(r *row) int32 { return r.Cause.GetPartition() }),
		col("cause_offset", func(r *row) int64 { return r.Cause.GetOffset() }),
		col("cause_event_time", func(r *row) time.Time { return moment(r.Cause.GetEventTime()) }),
		col("cause_traceparent", func(r *row) string { return r.Cause.GetTraceparent() }),
		col("clears_authority", func(r *row) []string { return each(r.Clears, voided.GetAuthority) }),
		col("clears_epoch", func(r *row) []uint64 { return each(r.Clears, voided.GetEpoch) }),
		col("clears_seq", func(r *row) []uint64 { return each(r.Clears, voided.GetSeq) }),
		col("origin", func(r *row) string { return r.Origin }),
		col("public_text", func(r *row) string { return r.PublicText }),
		col("operator_text", func(r *row) string { return r.OperatorText }),
		col("support_code", func(r *row) string { return r.SupportCode }),
		col("subject", func(r *row) string { return r.Subject }),
	}, positions(func(r *row) *position { return &r.position }))
}

// enforcementRow is one row of enforcements.
type enforcementRow struct {
	*verdict.Enforcement
	position
}

// enforcements collects enforcements; the table itself folds repeated ids.
type enforcements struct{ rows []enforcementRow }

func (c *enforcements) add(i item, at position) {
	e, ok := i.message.(*verdict.Enforcement)
	if ok {
		c.rows = append(c.rows, enforcementRow{e, at})
	}
}

func (c *enforcements) blocks() []block {
	if len(c.rows) == 0 {
		return nil
	}
	return []block{newBlock("enforcements", enforcementColumns(), c.rows)}
}

func enforcementColumns() []column[enforcementRow] {
	type row = enforcementRow
	return slices.Concat([]column[row]{
		col("tenant", func(r *row) string { return r.Tenant }),
		col("time", func(r *row) time.Time { return moment(r.Time) }),
		col("id", func(r *row) string { return r.Id }),
		col("gateway", func(r *row) string { return r.Gateway }),
		col("verdict_id", func(r *row) string { return r.VerdictId }),
		col("target_kind", func(r *row) string { return r.Target.GetKind() }),
		col("target_id", func(r *row) string { return r.Target.GetId() }),
		col("action", func(r *row) string { return r.Action }),
		col("stream", func(r *row) string { return r.Stream }),
		col("session", func(r *row) string { return r.Session }),
		col("subject", func(r *row) string { return r.Subject }),
		col("request_id", func(r *row) string { return r.RequestId }),
		col("route", func(r *row) string { return r.Route }),
		col("event_to_cut_us", func(r *row) int64 { return r.EventToCutUs }),
		col("apply_us", func(r *row) int64 { return r.ApplyUs }),
		col("bytes_out", func(r *row) uint64 { return r.BytesOut }),
		col("support_code", func(r *row) string { return r.SupportCode }),
	}, positions(func(r *row) *position { return &r.position }))
}
