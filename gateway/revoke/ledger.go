package revoke

import (
	"bytes"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// ledger holds the newest record of every key: tenant, target and authority.
type ledger struct {
	max int

	mu    sync.Mutex
	keys  map[string]*entry
	bytes int64 // Of all entries' lines in a file that holds nothing else.
}

// entry is the newest record of a key.
type entry struct {
	epoch, seq uint64
	keep       time.Time // Until when any record of this key that was seen is live.
	raw        []byte
}

// outcome says what became of a record.
type outcome uint8

const (
	newest   outcome = iota // Later than what was there: to be applied and kept.
	repeated                // The same as what was there.
	stale                   // Earlier than what was there: refused.
	lapsed                  // Not live, and nothing was there that it would end.
	full                    // Newest, but there is no room to keep it.
)

func newLedger(limit int) *ledger { return &ledger{max: limit, keys: make(map[string]*entry)} }

func keyOf(v *verdict.Verdict) string {
	return string(topic.VerdictKey(v.Tenant, v.Target.GetKind(), v.Target.GetId(), v.Authority))
}

// fold takes a verified verdict. keep is the zero time but when it comes from
// the file, which knows how long older records of the key could be live. A
// verdict that has lapsed still ends an earlier one of its key: the gateway may
// have been away while it was live.
func (l *ledger) fold(v *verdict.Verdict, raw []byte, keep, now time.Time) (outcome, time.Time) {
	key := keyOf(v)
	keep = latest(keep, v.Until.AsTime())
	if len(v.Clears) > 0 {
		keep = latest(keep, v.GetTime().AsTime().Add(clearsKeep))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old, known := l.keys[key]
	switch {
	case known && old.epoch == v.Epoch && old.seq == v.Seq:
		return repeated, old.keep
	case known && !verdict.Later(v.Epoch, v.Seq, old.epoch, old.seq):
		return stale, old.keep
	case !known && !now.Before(keep):
		return lapsed, keep
	case !known && len(l.keys) >= l.max:
		l.sweepLocked(now)
		if len(l.keys) >= l.max {
			return full, keep
		}
	}
	if known {
		l.bytes -= lineBytes(old.raw)
		keep = latest(keep, old.keep)
	}
	l.keys[key] = &entry{epoch: v.Epoch, seq: v.Seq, keep: keep, raw: raw}
	l.bytes += lineBytes(raw)
	return newest, keep
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// has reports that record is byte for byte what is kept under key, so that its
// signature has been checked before.
func (l *ledger) has(key, record []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, known := l.keys[string(key)]
	return known && bytes.Equal(e.raw, record)
}

// sweep drops the keys of which nothing can be live any more.
func (l *ledger) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweepLocked(now)
}

func (l *ledger) sweepLocked(now time.Time) {
	for key, e := range l.keys {
		if !now.Before(e.keep) {
			l.bytes -= lineBytes(e.raw)
			delete(l.keys, key)
		}
	}
}

// size returns how many keys there are and how long a file of them is.
func (l *ledger) size() (keys int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.keys), l.bytes
}

// lines appends the file lines of every key to dst.
func (l *ledger) lines(yield func(line []byte) error) error {
	l.mu.Lock()
	entries := make([]*entry, 0, len(l.keys))
	for _, e := range l.keys {
		entries = append(entries, e)
	}
	l.mu.Unlock()
	var line []byte
	for _, e := range entries { // Entries are never changed, only replaced.
		line = appendLine(line[:0], e.keep, e.raw)
		err := yield(line)
		if err != nil {
			return err
		}
	}
	return nil
}
