package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"github.com/vigil-gateway/vigil/analyzer/announce"
	"github.com/vigil-gateway/vigil/analyzer/state/cold"
	"github.com/vigil-gateway/vigil/schemas/assessment"
	"github.com/vigil-gateway/vigil/schemas/event"
	"github.com/vigil-gateway/vigil/scorer"
	"github.com/vigil-gateway/vigil/scorer/model"
)

// committer is the part of a generation that a worker needs.
type committer interface {
	CommitOffsets(offsets map[string]map[int]int64) error
}

// worker owns one partition for one generation.
type worker struct {
	ingest    *Ingest
	gen       committer
	partition int
	// partitions is how many the topic had when the partition was begun.
	partitions int
	topicID    string // Of the topic that is read, "" where the broker gives none.
	sure       uint64 // The doubts that topicID has answered.
	fetched    chan fetched
	verified   []record // Reused: the records of one read.

	engine  Engine
	shelf   *cold.Shelf  // Whom engine has no room for, nil for none.
	idle    *cold.Shelf  // That of an engine that was parked and is not in use.
	counted cold.Counts  // Of shelf, as far as the metrics know.
	model   *model.Model // The one that engine has.
	verdict *announce.Partition

	first     int64 // The first offset of the partition at assignment.
	next      int64 // The first offset that engine has not seen.
	effective int64 // Records below it have had their effect: they only rebuild state.
	acked     int64 // Every effect of a record below it is acknowledged.
	committed int64 // What the group knows of acked.
	target    int64 // The end of the partition at assignment.
	saved     int64 // next at the last snapshot.
	savedAt   time.Time
	archived  int64 // next at the last snapshot that the archive took, -1 for none.
	// archivedAt is when that was.
	archivedAt time.Time
	countedAt  time.Time // When the active sessions were counted last.
	published  int64     // Stream time of the last summaries.
	meter      bounds

	flight  chan error    // The write of cuts and assessments under way, nil for none.
	flying  int64         // What acked becomes when it lands.
	waiting cargo         // What goes with the next one.
	taken   *taken        // The snapshot that waits to be kept, nil for none.
	saving  chan error    // The state file being written, nil for none.
	asked   chan archived // What the archive has been asked ahead, nil for nothing.
	mute    bool          // The archive did not answer.
	// archiving tells how the last snapshot for the archive went, nil where that is known.
	archiving <-chan error
	event     event.RequestEvent    // Reused: the engine keeps nothing of it.
	batch     assessment.Batch      // Reused: the assessments of this read.
	lanes     map[event.Lane]uint64 // Lanes scored in this chunk.
	// awaited says that a gateway holds a response back for one of its records.
	awaited bool
	proof   *proof // Nil where nothing is verified.
	lives   lives  // The gateways that tick.

	seen, end atomic.Int64 // For Status: next and the end of the partition.
	epoch     atomic.Uint64
	ready     atomic.Bool
	readAt    atomic.Int64 // When the partition was read last, in Unix nanoseconds.
}

func newWorker(i *Ingest, gen committer, a kafka.PartitionAssignment) *worker {
	return &worker{
		ingest: i, gen: gen, partition: a.ID, effective: a.Offset,
		fetched: make(chan fetched, prefetch), lanes: make(map[event.Lane]uint64), proof: newProof(i.o.Seals, i.roots, a.ID),
	}
}

// run works until ctx, the generation's, ends. It returns nil where the engine
// is whole: it has seen every record below next and no other.
func (w *worker) run(ctx context.Context) error {
	err := w.begin(ctx)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	// Effects under way when ctx ends are given Drain to land.
	drain, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(w.ingest.o.Config.Drain)
		defer t.Stop()
		select {
		case <-t.C:
			cancel(context.Cause(ctx))
		case <-drain.Done():
		}
	})
	defer stop()
	w.lead(true)
	defer w.lead(false)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.fetch(gctx, w.next) })
	g.Go(func() error { return w.verdict.Run(gctx) })
	g.Go(func() error { return w.loop(gctx, drain) })
	err = g.Wait()
	if errors.Is(err, errGone) {
		return w.restart(ctx, err)
	}
	return err
}

// loop scores what is fetched. ctx ends it; drain bounds what it still writes.
func (w *worker) loop(ctx, drain context.Context) error {
	due := time.NewTicker(w.ingest.o.Config.CommitEvery)
	defer due.Stop()
	w.meter.begin(w.engine)
	defer w.meter.leave(drain, w.ingest.metrics)
	var err error
	for err == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case b := <-w.fetched:
			err = w.process(drain, w.verify(drain, b), b.end)
		case err = <-w.flight:
			err = w.landed(drain, err)
		case <-due.C:
			err = w.tidy(drain)
		}
	}
	return errors.Join(err, w.finish(drain, err == nil))
}

// tidy commits and, where it is time, saves state.
func (w *worker) tidy(ctx context.Context) error {
	w.commit(ctx)
	w.publish(ctx)
	w.count(ctx)
	if w.next >= w.end.Load() {
		w.lives.silent(time.Unix(0, w.readAt.Load()), w.ended(ctx))
	}
	now := w.ingest.o.Now()
	engine, counts := w.engine.(counting)
	if counts && now.Sub(w.countedAt) >= countEvery {
		w.verdict.Active(engine.Active(announce.ActiveFor), w.partitions)
		w.meter.count(ctx, w.engine, w.ingest.metrics)
		w.countedAt = now
	}
	if w.taken == nil && (w.diskDue(now) || w.archiveDue(now)) {
		err := w.save()
		if err != nil {
			return err
		}
	}
	w.keep(ctx)
	return nil
}

// diskDue reports whether it is time for a state file.
func (w *worker) diskDue(now time.Time) bool {
	keep := w.ingest.o.Keep
	return w.ingest.o.State.OnDisk() && w.next != w.saved && (w.next-w.saved >= keep.Records || now.Sub(w.savedAt) >= keep.Every)
}

// archiveDue reports whether it is time for a snapshot in the archive. One that
// failed is tried again, with what is known by then.
func (w *worker) archiveDue(now time.Time) bool {
	select {
	case err := <-w.archiving:
		w.archiving = nil
		if err != nil {
			w.archived = -1
		}
	default:
	}
	return w.ingest.o.State.Archives() && w.next != w.archived && now.Sub(w.archivedAt) >= w.ingest.o.Keep.ArchiveEvery
}

// finish lands what is under way, saves, commits. whole says that the engine is fit to be kept.
func (w *worker) finish(ctx context.Context, whole bool) error {
	if _, counts := w.engine.(counting); counts {
		w.verdict.Active(nil, w.partitions)
	}
	err := w.land(ctx)
	w.commit(ctx)
	w.drop() // It is older than what follows.
	if err == nil && whole && w.next != w.saved {
		err = w.save()
		w.keep(ctx)
	}
	w.drop()
	w.settle(ctx)
	return err
}

// settle waits for the state file that is being written. What is given up is scored again
// from the file before: what the group knows is of effects, and none of them is lost.
func (w *worker) settle(ctx context.Context) {
	if w.saving == nil {
		return
	}
	ended := w.saving
	w.saving = nil
	w.ingest.patiently(ctx, fmt.Sprintf("partition %d: write state", w.partition), func() { w.report(ctx, <-ended) })
}

// commit tells the group. A refusal is normal in a rebalance: the next owner repeats.
func (w *worker) commit(ctx context.Context) {
	if w.acked <= w.committed {
		return
	}
	err := w.gen.CommitOffsets(map[string]map[int]int64{w.ingest.o.Stage.Topic: {w.partition: w.acked}})
	if err != nil {
		w.ingest.fault(ctx, "commit", fmt.Errorf("partition %d at %d: %w", w.partition, w.acked, err))
		return
	}
	w.committed = w.acked
}

// profiles lists what a snapshot says about subjects, nil where it says nothing.
func (w *worker) profiles(body []byte) func(yield func(*scorer.Profile) bool) error {
	read, m := w.ingest.o.Profiles, w.model
	if read == nil {
		return nil
	}
	return func(yield func(*scorer.Profile) bool) error { return read(m, bytes.NewBuffer(body), yield) }
}

// park is the engine as it waits for the next generation, with its cold store.
func (w *worker) park() parked {
	shelf := w.shelf
	w.shelf = nil
	return parked{w.engine, w.next, w.topicID, w.verdict.Epoch(), w.proof.chains(), shelf}
}

// report counts a state file that could not be written. Scoring goes on: what
// a restart then needs is longer replay, not a person at night.
func (w *worker) report(ctx context.Context, err error) {
	if err != nil {
		w.ingest.fault(ctx, "state", err)
	}
}
