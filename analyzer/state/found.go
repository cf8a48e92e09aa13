package state

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// Found is a snapshot whose body has not been read yet.
type Found struct {
	Header

	store    *Store
	file     string // "" where it is in the archive.
	size     int64  // Of the file.
	archived Archived
}

// Archived reports whether it is in the archive and not on this disk.
func (f Found) Archived() bool { return f.file == "" }

// BodyBytes is the length of the body of one in the archive.
func (f Found) BodyBytes() int64 { return f.archived.Bytes }

// Restore reads the body and hands it to restore, whole and checked. An error is
// counted as damage where the snapshot or restore is at fault; the caller then
// goes on with the next one. body is restore's own.
func (f Found) Restore(ctx context.Context, restore func(body *bytes.Buffer) error) error {
	size := f.archived.Bytes
	if !f.Archived() {
		size = f.size
	}
	f.store.growth.begin(size)
	defer f.store.growth.end()
	if f.Archived() {
		return f.fromArchive(ctx, restore)
	}
	h, body, err := read(f.file)
	if err == nil && (h.Next != f.Next || h.Epoch != f.Epoch) {
		err = fmt.Errorf("file was replaced: %w", ErrDamaged)
	}
	if err == nil {
		err = restore(bytes.NewBuffer(body))
	}
	if err != nil {
		f.store.refuse(ctx, f.file, err)
		return fmt.Errorf("restore %s: %w", f.file, err)
	}
	return nil
}

func (f Found) fromArchive(ctx context.Context, restore func(body *bytes.Buffer) error) error {
	begin := f.store.now()
	body, err := f.store.fetch(ctx, f.archived)
	if err == nil {
		err = restore(bytes.NewBuffer(body))
	}
	if err != nil {
		f.store.refuse(ctx, "archive", err)
		return fmt.Errorf("restore from the archive: %w", err)
	}
	f.store.logger.InfoContext(ctx, "state fetched from the archive", "partition", f.Partition, "bytes", len(body), "took", f.store.now().Sub(begin).Round(time.Millisecond))
	return nil
}
