package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/vigil-gateway/vigil/analyzer/state"
)

// taken is a snapshot that nobody has got yet.
type taken struct {
	header state.Header
	body   []byte
	secure func() error // Brings the cold store's mark to the disk.
	// archive says that the archive is reserved for it.
	archive bool
}

// save takes a snapshot, for keep to write. It waits for nothing: what it has seen may
// have effects that are still under way.
func (w *worker) save() error {
	store, now := w.ingest.o.State, w.ingest.o.Now()
	archive := w.archiveDue(now) && store.Reserve()
	if !store.OnDisk() && !archive {
		return nil
	}
	var buf bytes.Buffer
	err := w.engine.Snapshot(&buf)
	if err != nil {
		if archive {
			store.Release()
		}
		return fmt.Errorf("snapshot: %w", err)
	}
	h := state.Header{
		Topic: w.ingest.o.Stage.Topic, TopicID: w.topicID, Partition: w.partition, Partitions: w.partitions, Next: w.next,
		Epoch: w.verdict.Epoch(), Model: w.model.Digest(), Saved: now.UTC(), Seals: w.proof.chains(),
	}
	secure := w.mark(&h)
	w.taken = &taken{header: h, body: buf.Bytes(), secure: secure, archive: archive}
	return nil
}

// keep writes the snapshot that was taken beside the work, once all effects of what
// it has seen are acknowledged and committed: the group refuses the commit of who has
// lost the partition, and so nobody finds a state of his.
func (w *worker) keep(ctx context.Context) {
	t := w.taken
	if t == nil || w.acked < t.header.Next {
		return
	}
	w.commit(ctx)
	if w.committed < t.header.Next || w.busy(ctx) {
		return
	}
	store, now := w.ingest.o.State, w.ingest.o.Now()
	if t.archive {
		w.archiving = store.Offer(t.header, t.body, w.profiles(t.body))
		t.archive, w.archived, w.archivedAt = false, t.header.Next, now
	}
	done := make(chan error, 1)
	go func() {
		err := t.secure()
		if err == nil {
			err = store.Save(ctx, t.header, func(out io.Writer) error {
				_, err := out.Write(t.body)
				return err
			})
		}
		done <- err
	}()
	w.taken, w.saving, w.saved, w.savedAt = nil, done, t.header.Next, now
}

// busy reports whether the file before is still being written.
func (w *worker) busy(ctx context.Context) bool {
	if w.saving == nil {
		return false
	}
	select {
	case err := <-w.saving:
		w.saving = nil
		w.report(ctx, err)
		return false
	default:
		return true // The disk is slower than we are.
	}
}

// drop forgets the snapshot that was taken.
func (w *worker) drop() {
	if w.taken != nil && w.taken.archive {
		w.ingest.o.State.Release()
	}
	w.taken = nil
}
