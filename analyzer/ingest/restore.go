package ingest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/vigil-gateway/vigil/analyzer/state"
	"github.com/vigil-gateway/vigil/schemas/seal"
	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// Where a partition's state came from.
const (
	fromParked  = "memory"
	fromDisk    = "disk"
	fromArchive = "archive"
	fromParent  = "parent_partition"
	fromWarm    = "warm_start"
	fromReplay  = "replay"
	fromEmpty   = "nothing"
)

// candidate is a state that a partition can go on from.
type candidate struct {
	from    string
	next    int64
	epoch   uint64
	topicID string
	seals   []seal.Entry
	copied  bool // A standby has it from the archive.
	load    func() error
}

// restore gives w an engine and next; it says where from, and of which topic the
// offset is. Of memory, disk and archive that is taken which is furthest ahead.
// The archive is asked where it can be further than what is here, or nothing that
// is here can be read; a standby knows what the archive has, and does not ask it
// where nothing is there.
func (w *worker) restore(ctx context.Context) (from, of string, err error) {
	w.model = w.ingest.model.Load()
	list := append(w.inMemory(ctx), w.onDisk(ctx)...)
	alone := w.current(w.partition) || slices.ContainsFunc(list, w.unsurpassed)
	here := len(list)
	if !alone {
		list = append(list, w.inArchive(ctx)...)
	}
	best, ok := w.furthest(ctx, list)
	if !ok && alone && here > 0 {
		best, ok = w.furthest(ctx, w.inArchive(ctx))
	}
	if ok {
		w.next = best.next
		w.proof.resume(best.seals)
		return best.from, best.topicID, nil
	}
	if ctx.Err() != nil {
		return "", "", context.Cause(ctx)
	}
	if w.inherit(ctx) {
		return fromParent, "", nil
	}
	from, err = w.warm(ctx)
	if err != nil {
		return "", "", err
	}
	if from == fromEmpty && w.effective > 0 {
		from = fromReplay
	}
	return from, "", nil
}

// furthest loads the candidate that has seen most. States of this topic go before
// those of one with its name: only their offsets can be compared.
func (w *worker) furthest(ctx context.Context, list []candidate) (candidate, bool) {
	slices.SortStableFunc(list, func(a, b candidate) int {
		switch here := w.here(a.topicID); {
		case here != w.here(b.topicID) && here:
			return -1
		case here != w.here(b.topicID):
			return 1
		}
		return cmp.Compare(b.next, a.next)
	})
	for _, c := range list {
		if ctx.Err() != nil {
			break
		}
		err := c.load() // Damage is counted where it is found.
		if err == nil {
			return c, true
		}
	}
	return candidate{}, false
}

// here reports whether a state is of the topic that is read, as far as is known.
func (w *worker) here(topicID string) bool {
	return topicID == "" || w.topicID == "" || topicID == w.topicID
}

// current reports whether the archive is known to have nothing of a partition that is
// not here.
func (w *worker) current(partition int) bool {
	o := w.ingest.o
	return o.Copies != nil && o.Copies.Current(o.Stage.Topic, partition)
}

// unsurpassed reports whether no archive can have a state that is worth the question:
// nobody else has owned the partition since it was written here, or what is committed
// beyond it is scored again in less time.
func (w *worker) unsurpassed(c candidate) bool {
	return w.here(c.topicID) && (c.epoch+1 == w.verdict.Epoch() && !c.copied || w.effective >= 0 && c.next >= max(w.first, w.effective-replayedSoon))
}

// believed reports whether every record that a state has seen has had its effects.
// It has where the group knows so, and where nobody has taken the partition over
// since. Else the state may be that of somebody who went on after he had lost the
// partition: his verdicts have no effect, so his state must not stand in for them.
func (w *worker) believed(ctx context.Context, c candidate) bool {
	if !w.here(c.topicID) || c.next <= max(w.effective, w.first) || c.epoch+1 == w.verdict.Epoch() {
		return true
	}
	if w.effective < 0 && c.from != fromParked {
		return true // Its offsets have expired, and what is saved was committed before.
	}
	w.ingest.metrics.fenced.Add(ctx, 1)
	w.ingest.fault(ctx, "start", fmt.Errorf("partition %d: state in %s of epoch %d has seen records up to %d, committed is %d: not believed", w.partition, c.from, c.epoch, c.next, w.effective))
	return false
}

func (w *worker) inMemory(ctx context.Context) []candidate {
	p, ok := w.ingest.takeParked(w.partition)
	w.idle = p.shelf // Until the engine is in use.
	c := candidate{from: fromParked, next: p.next, epoch: p.epoch, topicID: p.topicID, seals: p.seals, load: func() error {
		w.engine = p.engine
		w.reshelve(p.shelf)
		w.engine.SwapModel(w.model)
		return nil
	}}
	if !ok || !w.believed(ctx, c) {
		return nil
	}
	return []candidate{c}
}

func (w *worker) onDisk(ctx context.Context) []candidate {
	return w.candidates(ctx, fromDisk, w.ingest.o.State.Find(ctx, w.ingest.o.Stage.Topic, w.partition))
}

// archived is what the archive has answered.
type archived struct {
	found []state.Found
	err   error
}

// askAhead asks the archive while the partition is adopted, where restore will ask it
// for certain: nothing is here, and a standby does not know better. That takes up to
// archive_wait where ClickHouse does not answer.
func (w *worker) askAhead(ctx context.Context) {
	o := w.ingest.o
	_, here := o.State.Epochs(o.Stage.Topic)[w.partition]
	w.asked, w.mute = nil, false
	if here || w.ingest.isParked(w.partition) || w.current(w.partition) {
		return
	}
	w.asked = w.ask(ctx)
}

// ask asks the archive, for a bounded time.
func (w *worker) ask(ctx context.Context) chan archived {
	to := make(chan archived, 1)
	o, partition := w.ingest.o, w.partition
	go func() {
		found, err := o.State.FindArchived(ctx, o.Stage.Topic, partition)
		to <- archived{found, err}
	}()
	return to
}

// inArchive is what the archive has, which is asked unless it was asked ahead.
func (w *worker) inArchive(ctx context.Context) []candidate {
	asked := w.asked
	w.asked = nil
	if asked == nil {
		asked = w.ask(ctx)
	}
	answer := <-asked
	if answer.err != nil {
		w.mute = true
		w.ingest.fault(ctx, "archive", answer.err)
		return nil
	}
	found := slices.DeleteFunc(answer.found, func(f state.Found) bool { return f.TopicID != w.topicID })
	return w.candidates(ctx, fromArchive, found)
}

func (w *worker) candidates(ctx context.Context, from string, found []state.Found) []candidate {
	var out []candidate
	for _, f := range found {
		c := candidate{from: from, next: f.Next, epoch: f.Epoch, topicID: f.TopicID, seals: f.Seals, copied: f.Copied, load: func() error { return w.load(ctx, f, nil) }}
		if w.believed(ctx, c) {
			out = append(out, c)
		}
	}
	return out
}

// load restores a new engine from a snapshot.
func (w *worker) load(ctx context.Context, f state.Found, keep func(key []byte) bool) error {
	return f.Restore(ctx, func(body *bytes.Buffer) error {
		mark := f.Cold
		if keep != nil {
			mark = "" // It is of another partition.
		}
		return w.fresh(ctx, mark, func(e Engine) error { return e.Restore(body, keep) })
	})
}

// inherit begins a partition that is new, because the topic has got a multiple of
// its partitions, from the state of the one in which its keys were before. It
// reports false where the partition is not new or there is no such state.
func (w *worker) inherit(ctx context.Context) bool {
	if w.effective >= 0 {
		return false
	}
	keep := w.mine(w.partitions)
	for before := w.partitions / 2; before > 0; before-- {
		if w.partitions%before != 0 || w.partition < before {
			continue
		}
		o, parent := w.ingest.o, w.partition%before
		found := o.State.Find(ctx, o.Stage.Topic, parent)
		if !w.current(parent) && !w.mute {
			archived, err := o.State.FindArchived(ctx, o.Stage.Topic, parent)
			if err != nil {
				w.ingest.fault(ctx, "archive", err)
				return false // It is down: asking it for others takes as long again.
			}
			found = append(found, archived...)
		}
		slices.SortStableFunc(found, func(a, b state.Found) int { return cmp.Compare(b.Next, a.Next) })
		for _, f := range found {
			if f.Partitions == before && w.here(f.TopicID) && w.load(ctx, f, keep) == nil {
				return true
			}
		}
	}
	return false
}

// mine says which keys belong to this partition where the topic has n.
func (w *worker) mine(n int) func(key []byte) bool {
	if w.ingest.o.Stage.Authority == verdict.AuthorityFacet {
		return func(key []byte) bool { return facetPartition(key, n) == w.partition }
	}
	lanes := w.ingest.o.Lanes
	return func(key []byte) bool { return topic.Partition(lanes.Of(key), n) == w.partition }
}

// fresh makes a new engine, with its cold store as it was at a mark, and lets load
// fill it; it stays only if that works.
func (w *worker) fresh(ctx context.Context, mark string, load func(Engine) error) error {
	e, err := w.ingest.o.NewEngine(w.model)
	if err != nil {
		return fmt.Errorf("new engine: %w", err)
	}
	w.shelve(ctx, e, mark)
	err = load(e)
	if err != nil {
		return fmt.Errorf("restore engine: %w", err)
	}
	w.engine = e
	return nil
}

// warm begins from the warm start file, of which it keeps the keys that belong
// to this partition; or from nothing where there is no such file.
func (w *worker) warm(ctx context.Context) (from string, err error) {
	path := w.ingest.o.Keep.WarmStart
	if path == "" {
		return fromEmpty, w.fresh(ctx, "", func(Engine) error { return nil })
	}
	f, err := os.Open(path) //nolint:gosec // The operator names the file.
	if err != nil {
		return "", fmt.Errorf("state.warm_start: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	err = w.fresh(ctx, "", func(e Engine) error { return w.warmed(e, f) })
	if err != nil {
		return "", fmt.Errorf("state.warm_start: %w", err)
	}
	return fromWarm, nil
}
