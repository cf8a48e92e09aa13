package verdict

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Ring is the key set that is in force, with the clock that says which of its keys
// are. Safe for concurrent use.
type Ring struct {
	now  func() time.Time
	set  atomic.Pointer[KeySet]
	swap sync.Mutex // Held from the comparison with the set in force to its replacement.
}

// NewRing returns a ring with a first key set.
func NewRing(set *KeySet, now func() time.Time) *Ring {
	r := &Ring{now: now}
	r.set.Store(set)
	return r
}

// Listed is the key set in force. It believes every key that it lists, also one that
// has ended, which is for what was believed before.
func (r *Ring) Listed() *KeySet { return r.set.Load() }

// Swap replaces the key set, and reports whether that is another one. The error
// wraps [ErrRollback], and then nothing has changed.
func (r *Ring) Swap(next *KeySet) (changed bool, err error) {
	r.swap.Lock()
	defer r.swap.Unlock()
	before := r.set.Load()
	err = next.Follows(before)
	if err != nil {
		return false, fmt.Errorf("key set: %w", err)
	}
	r.set.Store(next)
	return !sameList(next.list, before.list), nil
}

// Open is [KeySet.Open] by the keys that are in force now. The error may wrap
// [ErrNotInForce], too.
func (r *Ring) Open(record []byte) (Message, error) {
	set := r.set.Load()
	return openMessage(record, set.inForce(r.now()))
}

// OpenOrder is [KeySet.OpenOrder] by the keys that are in force now. The error may
// wrap [ErrNotInForce], too.
func (r *Ring) OpenOrder(record []byte) (payload []byte, kid string, err error) {
	set := r.set.Load()
	return openAs(record, typOrder, ClassOperator, set.inForce(r.now()))
}

// OpenControl is [KeySet.OpenControl]: what analyzers keep for each other is
// believed for as long as its key is listed, because a replay of old records must
// come to the same end.
func (r *Ring) OpenControl(record []byte) ([]byte, error) { return r.set.Load().OpenControl(record) }
