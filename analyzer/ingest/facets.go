package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	schema "github.com/vigil-gateway/vigil/schemas/facet"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
	"github.com/vigil-gateway/vigil/scorer/facet"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// addressed are the cuts for one partition of vigil.facets.
type addressed struct {
	partition int
	records   []announce.Record
}

// takeCut judges one cut into fx. Cuts that have had their effect change the
// engine alone.
func (w *worker) takeCut(ctx context.Context, r record, fx *effects) error {
	begin := w.ingest.o.Now()
	if kind, _ := r.Header("ce_type"); string(kind) == cloudevent.TypeRequest {
		return w.takeClear(ctx, r, fx)
	}
	cut, err := decodeCut(r)
	var res facet.Result
	if err == nil {
		res, err = w.judge(ctx, r, cut)
	}
	w.next = r.Offset + 1
	switch {
	case err != nil:
		return w.poison(ctx, r, err, fx)
	case r.Offset < w.effective:
		fx.results[resultReplayed]++
		return nil
	case res.Duplicate:
		fx.results[resultDuplicate]++
		return nil
	}
	fx.results[resultScored]++
	for _, a := range res.Assessments {
		err = fx.assessments.Add(a)
		if err != nil {
			return err
		}
	}
	for _, p := range res.Proposals {
		fx.findings = append(fx.findings, w.finding(ctx, announce.Finding{Proposal: p, Clock: cut.GetTime().AsTime()}, r, begin))
	}
	return nil
}

// takeClear lets the engine forget what an operator has lifted. Only such control
// records stand among the cuts.
func (w *worker) takeClear(ctx context.Context, r record, fx *effects) error {
	err := w.decode(r)
	var op *verdict.Verdict
	if err == nil {
		op, err = w.verdict.Cleared(&w.event)
	}
	w.next = r.Offset + 1
	if err != nil {
		return w.poison(ctx, r, err, fx)
	}
	if engine, ok := w.engine.(Taker); ok {
		engine.Clear(op.GetTenant(), op.GetTarget())
	}
	if r.Offset < w.effective {
		fx.results[resultReplayed]++
		return nil
	}
	fx.results[resultControl]++
	err = w.tell(ctx, fx) // What came before the control record goes out before it.
	if err != nil {
		return err
	}
	return w.verdict.Control(ctx, &w.event, r.Offset)
}

func decodeCut(r record) (*schema.FacetCut, error) {
	contentType, err := cloudevent.ContentType(r.Header)
	if err != nil {
		return nil, fmt.Errorf("headers: %w", err)
	}
	if contentType != cloudevent.Protobuf {
		return nil, fmt.Errorf("content type %q is unknown", contentType)
	}
	return schema.Decode(r.Value)
}

// judge takes a cut. A panic is this record's fault alone.
func (w *worker) judge(ctx context.Context, r record, cut *schema.FacetCut) (res facet.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			res, err = facet.Result{}, w.panicked(ctx, r, p)
		}
	}()
	engine, ok := w.engine.(Taker)
	if !ok {
		return facet.Result{}, errStage
	}
	return engine.Take(facet.Record{Cut: cut, Topic: w.ingest.o.Stage.Topic, Partition: int32(w.partition), Offset: r.Offset}), nil
}

// packCuts makes records of cuts, by the partition of their tenant.
func (w *worker) packCuts(ctx context.Context, cuts []*schema.FacetCut) ([]addressed, error) {
	if len(cuts) == 0 {
		return nil, nil
	}
	n, err := w.ingest.facetPartitions(ctx)
	if err != nil {
		return nil, err
	}
	var out []addressed
	for _, c := range cuts {
		c.TopicId = w.topicID
		value, err := c.MarshalVT()
		if err != nil {
			return nil, fmt.Errorf("encode cut: %w", err)
		}
		key := topic.FacetKey(c.GetTenant())
		p := facetPartition(key, n)
		at, there := slices.BinarySearchFunc(out, p, func(a addressed, p int) int { return cmp.Compare(a.partition, p) })
		if !there {
			out = slices.Insert(out, at, addressed{partition: p})
		}
		out[at].records = append(out[at].records, announce.Record{
			Key: key, Value: value,
			Headers: cloudevent.Attributes{
				ID:     strconv.Itoa(w.partition) + "-" + strconv.FormatInt(c.GetFirstOffset(), 10) + "-" + strconv.FormatInt(c.GetLastOffset(), 10) + "-" + c.GetTenant(),
				Source: "vigil-analyzer", Type: cloudevent.TypeFacets, Time: w.ingest.o.Now(), ContentType: cloudevent.Protobuf,
			}.Headers(),
		})
	}
	return out, nil
}

func (w *worker) writeCuts(ctx context.Context, cuts []addressed) error {
	for _, c := range cuts {
		err := w.ingest.o.Writer.Write(ctx, topic.Facets, c.partition, c.records...)
		if err != nil {
			return fmt.Errorf("cuts: %w", err)
		}
	}
	return nil
}

// facetPartitions is how many partitions vigil.facets has, asked once.
func (i *Ingest) facetPartitions(ctx context.Context) (int, error) {
	n := int(i.facets.Load())
	if n > 0 {
		return n, nil
	}
	n, err := i.o.Writer.Partitions(ctx, topic.Facets)
	if err != nil {
		return 0, fmt.Errorf("partitions of %s: %w", topic.Facets, err)
	}
	i.facets.Store(int64(n))
	return n, nil
}

// facetPartition is where a tenant's facets meet. Nobody gains by choosing it,
// so the hash has no seed.
func facetPartition(key []byte, n int) int { return announce.RelayPartition(key, n) }

// warmed restores an engine from a warm start file, in which the state of the
// subject stage comes first.
func (w *worker) warmed(e Engine, file io.Reader) error {
	keep := w.mine(w.partitions)
	if w.ingest.o.Stage.Authority != verdict.AuthorityFacet {
		return e.Restore(file, keep)
	}
	_, err := snapshot.Open(file)
	if err != nil {
		return err
	}
	err = e.Restore(file, keep)
	if errors.Is(err, io.EOF) {
		return nil // Of a time when there was no facet stage.
	}
	return err
}
