package store

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// lossGap is the reason of a loss that no gateway has owned up to: numbers of
// a lane that never came.
const lossGap = "gap"

// decodeRequest reads a record of vigil.requests. Opens, ticks and control
// records are blank: they move the lane positions and are no rows.
func decodeRequest(r record) (message any, blank bool, err error) {
	contentType, err := cloudevent.ContentType(r.Header)
	if err != nil {
		return nil, false, err
	}
	e := event.RequestEventFromVTPool()
	switch contentType {
	case cloudevent.Protobuf:
		err = event.DecodeLent(r.Value, e)
	case cloudevent.JSON:
		err = event.DecodeJSON(r.Value, e)
	default:
		err = fmt.Errorf("content type %q: %w", contentType, event.ErrMalformed)
	}
	if err != nil {
		return nil, false, err
	}
	return e, !e.Terminal() && e.Kind != event.KindSession && e.Kind != event.KindTombstone, nil
}

// releaseRequest keeps the memory of an event for another one, and nothing of the
// record that its texts lie in.
func releaseRequest(message any) {
	e, ok := message.(*event.RequestEvent)
	if ok {
		clear(e.Amr)
		clear(e.NetworkTags)
		clear(e.WafRules)
		e.ReturnToVTPool()
	}
}

// requestRow is one row of requests.
type requestRow struct {
	*event.RequestEvent
	position
}

// lossRow is one row of losses.
type lossRow struct {
	time   time.Time
	lane   event.Lane
	first  uint64
	last   uint64
	reason string
	position
}

// requests collects events.
type requests struct {
	memory *memory
	proof  proof
	rows   []requestRow
	losses []lossRow
	ends   []endRow
}

func (c *requests) add(i item, at position) {
	e, ok := i.message.(*event.RequestEvent)
	if !ok || !c.proof.admit(i, e, at) {
		return
	}
	l := event.Lane{Gateway: e.Gateway, Epoch: e.Epoch, Lane: e.Lane}
	last := e.Seq
	if e.Kind == event.KindTombstone && e.SeqEnd > last {
		last = e.SeqEnd
	}
	seen := c.memory.lanes.Last(l)
	duplicate, missing := c.memory.lanes.Observe(l, e.Seq, last)
	closing := e.Kind == event.KindTick && e.Reason == event.ReasonEpochClosed
	if e.Seq > 0 && (!duplicate || closing) { // After a power loss the number of a last tick may be one that is here already.
		c.memory.lives.hear(l, closing, i.Time(), func(l event.Lane, end string) {
			c.ends = append(c.ends, endRow{i.Time(), l, c.memory.lanes.Last(l), end, at})
		})
	}
	if duplicate {
		return
	}
	if missing > 0 && (seen > 0 || c.memory.whole(l.Epoch)) {
		c.losses = append(c.losses, lossRow{moment(e.Time), l, seen + 1, seen + missing, lossGap, at})
	}
	switch {
	case e.Kind == event.KindTombstone:
		c.losses = append(c.losses, lossRow{moment(e.Time), l, max(e.Seq, seen+1), last, e.Reason, at})
	case e.Terminal() || e.Kind == event.KindSession:
		c.rows = append(c.rows, requestRow{e, at})
	}
}

func (c *requests) blocks() []block {
	var blocks []block
	if len(c.rows) > 0 {
		blocks = append(blocks, newBlock("requests", requestColumns(), c.rows))
	}
	if len(c.losses) > 0 {
		blocks = append(blocks, newBlock("losses", lossColumns(), c.losses))
	}
	if len(c.ends) > 0 {
		blocks = append(blocks, newBlock("gateway_epochs", endColumns(), c.ends))
	}
	if len(c.proof.rows) > 0 {
		blocks = append(blocks, newBlock("refusals", refusalColumns(), c.proof.rows))
	}
	return blocks
}

func requestColumns() []column[requestRow] {
	type row = requestRow
	return slices.Concat([]column[row]{
		col("tenant", func(r *row) string { return r.Tenant }),
		col("time", func(r *row) time.Time { return moment(r.Time) }),
		col("kind", func(r *row) string {
			if r.Kind == "" {
				return event.KindRequest
			}
			return r.Kind
		}),
		col("id", func(r *row) string { return r.Id }),
		col("phase", func(r *row) string { return r.Phase }),
		col("other_request_id", func(r *row) string {
			if r.RequestId == r.Id {
				return ""
			}
			return r.RequestId
		}),
		col("gateway", func(r *row) string { return r.Gateway }),
		col("epoch", func(r *row) uint64 { return r.Epoch }),
		col("lane", func(r *row) uint32 { return r.Lane }),
		col("seq", func(r *row) uint64 { return r.Seq }),
		col("subject", func(r *row) string { return r.Subject }),
		col("issuer", func(r *row) string { return r.Issuer }),
		col("session", func(r *row) string { return r.Session }),
		col("token_id", func(r *row) string { return r.TokenId }),
		col("client_id", func(r *row) string { return r.ClientId }),
		col("device", func(r *row) string { return r.Device }),
		col("binding", func(r *row) string { return r.Binding }),
		col("auth_method", func(r *row) string { return r.AuthMethod }),
		col("acr", func(r *row) string { return r.Acr }),
		col("amr", func(r *row) []string { return list(r.Amr) }),
		col("auth_time", func(r *row) time.Time { return moment(r.AuthTime) }),
		col("subject_kind", func(r *row) string { return r.SubjectKind }),
		col("address", func(r *row) string { return r.Address }),
		col("asn", func(r *row) uint32 { return r.Asn }),
		col("as_org", func(r *row) string { return r.AsOrg }),
		col("country", func(r *row) string { return r.Country }),
		col("latitude", func(r *row) *float64 { return optional(r.Latitude) }),
		col("longitude", func(r *row) *float64 { return optional(r.Longitude) }),
		col("accuracy_radius_km", func(r *row) float64 { return finite(r.AccuracyRadiusKm) }),
		col("network_tags", func(r *row) []string { return list(r.NetworkTags) }),
		col("ja4", func(r *row) string { return r.Ja4 }),
		col("user_agent", func(r *row) string { return r.UserAgent }),
	}, trafficColumns(), positions(func(r *row) *position { return &r.position }))
}

func trafficColumns() []column[requestRow] {
	type row = requestRow
	return []column[row]{
		col("method", func(r *row) string { return r.Method }),
		col("host", func(r *row) string { return r.Host }),
		col("other_path", func(r *row) string {
			if derives(r.Path, r.Template, r.Resource) {
				return ""
			}
			return r.Path
		}),
		col("route", func(r *row) string { return r.Route }),
		col("template", func(r *row) string { return r.Template }),
		col("resource", func(r *row) string { return r.Resource }),
		col("sensitivity", func(r *row) string { return r.Sensitivity }),
		col("region", func(r *row) string { return r.Region }),
		col("status", func(r *row) uint16 { return uint16(min(r.Status, 999)) }),
		col("decision", func(r *row) string { return r.Decision }),
		col("reason", func(r *row) string { return r.Reason }),
		col("auth_outcome", func(r *row) string { return r.AuthOutcome }),
		col("account", func(r *row) string { return r.Account }),
		col("bytes_in", func(r *row) uint64 { return r.BytesIn }),
		col("bytes_out", func(r *row) uint64 { return r.BytesOut }),
		col("duration_us", func(r *row) uint64 { return r.DurationUs }),
		col("waf_score", func(r *row) float64 { return finite(r.WafScore) }),
		col("waf_rules", func(r *row) []string { return list(r.WafRules) }),
		col("trace_id", func(r *row) string { return r.TraceId }),
		col("attributes", func(r *row) map[string]string { return r.Attributes }),
		col("stream", func(r *row) string { return r.Stream }),
		col("support_code", func(r *row) string { return r.SupportCode }),
	}
}

// derives reports whether column path reads as path where other_path is empty: it is
// the template then, with the resource in place of what stands in braces first.
func derives(path, template, resource string) bool {
	open := strings.IndexByte(template, '{')
	if open < 0 {
		return path == template
	}
	end := strings.IndexByte(template[open:], '/')
	if end < 0 {
		end = len(template) - open
	}
	shut := strings.LastIndexByte(template[open:open+end], '}')
	if shut < 0 {
		return path == "" // Not a template of ours: its path is kept whole.
	}
	path, before := strings.CutPrefix(path, template[:open])
	path, within := strings.CutPrefix(path, resource)
	return before && within && path == template[open+shut+1:]
}

func lossColumns() []column[lossRow] {
	type row = lossRow
	return slices.Concat([]column[row]{
		col("time", func(r *row) time.Time { return r.time }),
		col("gateway", func(r *row) string { return r.lane.Gateway }),
		col("epoch", func(r *row) uint64 { return r.lane.Epoch }),
		col("lane", func(r *row) uint32 { return r.lane.Lane }),
		col("seq", func(r *row) uint64 { return r.first }),
		col("seq_end", func(r *row) uint64 { return r.last }),
		col("n", func(r *row) uint64 { return r.last - r.first + 1 }),
		col("reason", func(r *row) string { return r.reason }),
	}, positions(func(r *row) *position { return &r.position }))
}
