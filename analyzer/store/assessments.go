package store

import (
	"slices"
	"time"

	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// decodeAssessments reads a record of vigil.assessments.
func decodeAssessments(r record) (message any, blank bool, err error) {
	_, err = cloudevent.ContentType(r.Header)
	if err != nil {
		return nil, false, err
	}
	b, err := assessment.DecodeLent(r.Value)
	if err != nil {
		return nil, false, err
	}
	return b, len(b.Assessments) == 0, nil
}

// assessmentRow is one row of assessments.
type assessmentRow struct {
	*assessment.Assessment
	source *source
	*position
}

// evidenceRow is one row of evidence.
type evidenceRow struct {
	*verdict.Evidence
	of      *assessment.Assessment
	ordinal uint16
	*position
}

// assessments collects assessments and their evidence.
type assessments struct {
	memory   *memory
	rows     []assessmentRow
	evidence []evidenceRow
}

func (c *assessments) add(i item, at position) {
	b, ok := i.message.(*assessment.AssessmentBatch)
	if !ok {
		return
	}
	from := &source{b.Topic, b.Partition}
	seen := c.memory.pass(*from, b.TopicId, b.LastOffset)
	c.rows = slices.Grow(c.rows, len(b.Assessments))
	for _, a := range b.Assessments {
		if a == nil || a.Offset <= seen {
			continue // Of a range that was written twice.
		}
		c.rows = append(c.rows, assessmentRow{a, from, &at})
		for ordinal, e := range a.Evidence {
			if e != nil {
				c.evidence = append(c.evidence, evidenceRow{e, a, uint16(ordinal), &at})
			}
		}
	}
}

func (c *assessments) blocks() []block {
	var blocks []block
	if len(c.rows) > 0 {
		blocks = append(blocks, newBlock("assessments", assessmentColumns(), c.rows))
	}
	if len(c.evidence) > 0 {
		blocks = append(blocks, newBlock("evidence", evidenceColumns(), c.evidence))
	}
	return blocks
}

func assessmentColumns() []column[assessmentRow] {
	type row = assessmentRow
	return slices.Concat([]column[row]{
		col("tenant", func(r *row) string { return r.Tenant }),
		col("time", func(r *row) time.Time { return moment(r.EventTime) }),
		col("stream_time", func(r *row) time.Time { return moment(r.StreamTime) }),
		col("event_id", func(r *row) string { return r.EventId }),
		col("subject", func(r *row) string { return r.Subject }),
		col("session", func(r *row) string { return r.Session }),
		col("address", func(r *row) string { return r.Address }),
		col("score", func(r *row) float64 { return finite(r.Score) }),
		col("session_score", func(r *row) float64 { return finite(r.SessionScore) }),
		col("action", func(r *row) string { return r.Action }),
		col("shadow", func(r *row) bool { return r.Shadow }),
		col("model", func(r *row) string { return r.Model }),
		col("shared_epoch", func(r *row) uint64 { return r.SharedEpoch }),
		col("verdict_id", func(r *row) string { return r.VerdictId }),
		col("target_kind", func(r *row) string { return r.Target.GetKind() }),
		col("target_id", func(r *row) string { return r.Target.GetId() }),
		col("phase", func(r *row) string { return r.Phase }),
		col("source_topic", func(r *row) string { return r.source.topic }),
		col("source_partition", func(r *row) int32 { return r.source.partition }),
		col("source_offset", func(r *row) int64 { return r.Offset }),
	}, positions(func(r *row) *position { return r.position }))
}

func evidenceColumns() []column[evidenceRow] {
	type row = evidenceRow
	return slices.Concat([]column[row]{
		col("tenant", func(r *row) string { return r.of.Tenant }),
		col("time", func(r *row) time.Time { return moment(r.of.EventTime) }),
		col("event_id", func(r *row) string { return r.of.EventId }),
		col("subject", func(r *row) string { return r.of.Subject }),
		col("session", func(r *row) string { return r.of.Session }),
		col("verdict_id", func(r *row) string { return r.of.VerdictId }),
		col("ordinal", func(r *row) uint16 { return r.ordinal }),
		col("signal", func(r *row) string { return r.Signal }),
		col("signal_group", func(r *row) string { return r.Group }),
		col("nats", func(r *row) float64 { return finite(r.Nats) }),
		col("raw_nats", func(r *row) float64 { return finite(r.RawNats) }),
		col("text", func(r *row) string { return r.Text }),
		col("hard", func(r *row) bool { return r.Hard }),
		col("technique", func(r *row) string { return r.Technique }),
		col("model", func(r *row) string { return r.of.Model }),
	}, positions(func(r *row) *position { return r.position }))
}
