package ingest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/deadletter"
	"github.com/vigil-gateway/vigil/schemas/event"
	schema "github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/facet"
)

// Results of a record, for the counter.
const (
	resultScored    = "scored"
	resultControl   = "control"
	resultDuplicate = "duplicate"
	resultPoison    = "poison"
	resultPanic     = "panic"
	resultReplayed  = "replayed"
	resultKeyGone   = "key_gone"
	resultRefused   = "refused"
)

// Causes of numbers that are no events, for the counter; table losses has the
// gateways' own reasons.
const (
	causeGap     = "gap"     // Nobody has owned up to them.
	causeDropped = "dropped" // A tombstone covers them.
)

// droppedMax bounds what one tombstone counts for.
const droppedMax = 1 << 32

var (
	// errPanic means that scoring broke at a record.
	errPanic = errors.New("scoring panicked")
	// errStage means that the engine is not one for the topic that is read.
	errStage = errors.New("engine is of another stage")
)

// effects are what records bring about and has not been written yet.
type effects struct {
	findings    []announce.Finding
	dead        []announce.Record
	assessments *assessment.Batch // The worker's.
	cuts        []*schema.FacetCut
	results     map[string]int64
	missing     int64 // Numbers that never came.
	dropped     int64 // Numbers that gateways have dropped on purpose.
}

// process scores one read. When it returns nil its verdicts are acknowledged,
// and its assessments are on their way.
func (w *worker) process(ctx context.Context, records []record, end int64) error {
	if len(records) == 0 { // All of it waits for the rest of its batch.
		w.end.Store(end)
		return nil
	}
	begin := w.ingest.o.Now()
	ctx, span := w.ingest.o.Tracer.Start(ctx, "score", trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithLinks(links(ctx, records)...), trace.WithAttributes(
			attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", w.ingest.o.Stage.Topic),
			attribute.Int("messaging.destination.partition.id", w.partition), attribute.Int("messaging.batch.message_count", len(records)),
		))
	defer span.End()
	if m := w.ingest.model.Load(); m != w.model {
		w.engine.SwapModel(m)
		w.model = m
	}
	w.batch.Reset()
	fx := effects{results: make(map[string]int64), assessments: &w.batch}
	for chunk := range slices.Chunk(records, chunkRecords) {
		for _, r := range chunk {
			err := w.one(ctx, r, &fx)
			if err != nil {
				return err
			}
		}
		err := w.tell(ctx, &fx)
		if err != nil {
			return err
		}
		w.seen.Store(w.next)
		w.verdict.Scored(w.lanes, w.awaited)
		clear(w.lanes)
		w.awaited = false
	}
	w.end.Store(end)
	if w.next >= w.target {
		w.ready.Store(true)
	}
	m := w.ingest.metrics
	for result, n := range fx.results {
		m.records.Add(ctx, n, metric.WithAttributes(attribute.String("result", result)))
	}
	m.missing.Add(ctx, fx.missing, metric.WithAttributes(attribute.String("cause", causeGap)))
	m.missing.Add(ctx, fx.dropped, metric.WithAttributes(attribute.String("cause", causeDropped)))
	m.batches.Add(ctx, 1)
	err := w.ship(ctx, records[0].Offset, &fx)
	m.duration.Record(ctx, w.ingest.o.Now().Sub(begin).Seconds())
	return err
}

// take scores one record into fx. Records that have had their effect change
// the engine alone.
func (w *worker) take(ctx context.Context, r record, fx *effects) error {
	effective := r.Offset >= w.effective
	begin := w.ingest.o.Now()
	err := w.decode(r)
	if err == nil {
		err = w.admit(r)
	}
	if err == nil {
		err = errors.Join(w.verdict.Believe(&w.event), w.believeEpoch(ctx))
	}
	if err == nil && w.event.Kind == event.KindControl {
		err := w.fetchEpoch(ctx, r.Offset)
		if err != nil {
			return err
		}
	}
	var res scorer.Result
	if err == nil {
		res, err = w.assess(ctx, r)
	}
	w.next = r.Offset + 1
	if err != nil {
		return w.poison(ctx, r, err, fx)
	}
	if w.event.Gateway != "" && w.event.Seq > 0 {
		lane := event.Lane{Gateway: w.event.Gateway, Epoch: w.event.Epoch, Lane: w.event.Lane}
		w.lanes[lane] = max(w.lanes[lane], w.event.Seq, w.event.SeqEnd) // One that was delivered again does not step back.
		w.awaited = w.awaited || w.event.Attributes[event.AttributeHeld] != ""
	}
	if !effective {
		fx.results[resultReplayed]++
		return nil
	}
	fx.missing += int64(res.Missing)
	for _, c := range res.Cuts {
		fx.cuts = append(fx.cuts, facet.CloneCut(c)) // It is the engine's, and gone with the next record.
	}
	for _, p := range res.Proposals {
		fx.findings = append(fx.findings, w.finding(ctx, announce.Finding{Proposal: p, Clock: res.Assessment.GetStreamTime().AsTime()}, r, begin))
	}
	switch {
	case res.Assessment != nil:
		fx.results[resultScored]++
		return fx.assessments.Add(res.Assessment) // It is the engine's, and gone with the next record.
	case w.event.Kind == event.KindControl:
		fx.results[resultControl]++
		err = w.tell(ctx, fx) // What came before the control record goes out before it.
		if err != nil {
			return err
		}
		return w.verdict.Control(ctx, &w.event, r.Offset)
	case w.event.Kind == event.KindTick:
		fx.results[w.event.Kind]++
		w.lives.tick(epochOf{w.event.Gateway, w.event.Epoch}, w.event.Reason == event.ReasonEpochClosed, w.ingest.o.Now(), w.ended(ctx))
	case w.event.Kind == event.KindTombstone:
		fx.results[w.event.Kind]++
		if !res.Duplicate {
			fx.dropped += int64(min(max(w.event.Seq, w.event.SeqEnd)-w.event.Seq, droppedMax)) + 1
		}
	default:
		fx.results[resultDuplicate]++
	}
	return nil
}

// one takes a record as its stage does.
func (w *worker) one(ctx context.Context, r record, fx *effects) error {
	if w.ingest.o.Stage.Authority == verdict.AuthorityFacet {
		return w.takeCut(ctx, r, fx)
	}
	return w.take(ctx, r, fx)
}

// poison puts a record that cannot be taken aside. A control record whose key the
// set no longer lists is none: it may have been good when it was written, and is
// passed over.
func (w *worker) poison(ctx context.Context, r record, why error, fx *effects) error {
	result := resultPoison
	var refused *seal.RefusedError
	switch {
	case errors.As(why, &refused):
		result = resultRefused
	case errors.Is(why, errPanic):
		result = resultPanic
	case errors.Is(why, verdict.ErrUnknownKey):
		fx.results[resultKeyGone]++
		w.ingest.often(ctx, resultKeyGone, fmt.Errorf("partition %d offset %d: a control record is passed over, list its key until no such record is retained: %w", w.partition, r.Offset, why))
		return nil
	}
	fx.results[result]++
	if r.Offset < w.effective {
		return nil
	}
	if refused != nil {
		w.ingest.refusals.note(ctx, refused, w.partition, r.Offset)
	} else {
		w.ingest.often(ctx, result, fmt.Errorf("partition %d offset %d: %w", w.partition, r.Offset, why))
	}
	letter, err := w.dead(r, why)
	if err != nil {
		return err
	}
	fx.dead = append(fx.dead, letter)
	return nil
}

// decode reads a record into w.event, whose texts are the record's.
func (w *worker) decode(r record) error {
	contentType, err := cloudevent.ContentType(r.Header)
	if err != nil {
		return fmt.Errorf("headers: %w", err)
	}
	switch contentType {
	case cloudevent.Protobuf:
		return event.DecodeLent(r.Value, &w.event)
	case cloudevent.JSON:
		return event.DecodeJSON(r.Value, &w.event)
	}
	return fmt.Errorf("content type %q is unknown", contentType)
}

// assess scores w.event. A panic is this record's fault alone.
func (w *worker) assess(ctx context.Context, r record) (res scorer.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			res, err = scorer.Result{}, w.panicked(ctx, r, p)
		}
	}()
	engine, ok := w.engine.(Assessor)
	if !ok {
		return scorer.Result{}, errStage
	}
	return engine.Assess(scorer.Record{Event: &w.event, Topic: w.ingest.o.Stage.Topic, Partition: int32(w.partition), Offset: r.Offset}), nil
}

func (w *worker) panicked(ctx context.Context, r record, p any) error {
	w.ingest.o.Logger.ErrorContext(ctx, "scoring panicked", "partition", w.partition, "offset", r.Offset, "panic", p, "stack", string(debug.Stack()))
	return fmt.Errorf("%w: %v", errPanic, p)
}

// finding adds the span "assess", a child of the event's own trace, so that
// one trace leads from the request to the cut.
func (w *worker) finding(ctx context.Context, f announce.Finding, r record, begin time.Time) announce.Finding {
	if f.Clock.Unix() == 0 {
		f.Clock = time.Time{}
	}
	within, _ := r.Header("traceparent")
	of, _ := r.Header("tracestate")
	parent := propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": string(within), "tracestate": string(of)})
	_, span := w.ingest.o.Tracer.Start(parent, "assess", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(begin),
		trace.WithAttributes(attribute.String("vigil.action", f.Proposal.Action), attribute.Float64("vigil.score", f.Proposal.Score)))
	span.End()
	f.Parent = span.SpanContext()
	return f
}

// tell writes what people wait for: verdicts, then poison.
func (w *worker) tell(ctx context.Context, fx *effects) error {
	err := w.verdict.Announce(ctx, fx.findings)
	if err != nil {
		return err
	}
	fx.findings = fx.findings[:0]
	err = w.ingest.o.Writer.Write(ctx, topic.Dead, 0, fx.dead...)
	if err != nil {
		return fmt.Errorf("dead records: %w", err)
	}
	fx.dead = fx.dead[:0]
	return nil
}

// pack cuts assessments into records below batchBytesMax that together cover
// the offsets from first up to next.
func (w *worker) pack(first int64, batch *assessment.Batch) ([]announce.Record, error) {
	var out []announce.Record
	err := batch.Records(w.ingest.o.Stage.Topic, w.topicID, int32(w.partition), first, w.next-1, batchBytesMax, func(first, last int64, value []byte) {
		out = append(out, announce.Record{
			Key: topic.SourceKey(w.ingest.o.Stage.Topic, w.partition), Value: value,
			Headers: cloudevent.Attributes{
				ID: strconv.Itoa(w.partition) + "-" + strconv.FormatInt(first, 10) + "-" + strconv.FormatInt(last, 10), Source: "vigil-analyzer",
				Type: cloudevent.TypeAssessment, Time: w.ingest.o.Now(), ContentType: cloudevent.Protobuf,
			}.Headers(),
		})
	})
	return out, err
}

// dead is the record for vigil.dead.
func (w *worker) dead(r record, why error) (announce.Record, error) {
	l := &deadletter.Letter{
		Topic: w.ingest.o.Stage.Topic, TopicID: w.topicID, Partition: w.partition, Offset: r.Offset, Stage: deadletter.StageScoring,
		Reason: why.Error(), Time: w.ingest.o.Now(), Key: r.Key, Value: r.Value,
	}
	for name, value := range r.All() {
		l.AddHeader(name, value)
	}
	key, value, attributes, err := l.Seal()
	return announce.Record{Key: key, Value: value, Headers: attributes.Headers()}, err
}

// links are the traces of the first records of a read.
func links(ctx context.Context, records []record) []trace.Link {
	var out []trace.Link
	for _, r := range records[:min(len(records), linksMax)] {
		tp, ok := r.Header("traceparent")
		if !ok {
			continue
		}
		sc := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": string(tp)}))
		if sc.IsValid() {
			out = append(out, trace.Link{SpanContext: sc})
		}
	}
	return out
}
