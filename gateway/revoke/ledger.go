package revoke

import (
	"cmp"
	"crypto/sha256"
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/topic"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// ledger knows the newest record of every key (tenant, target and authority) and
// where in the verdict file it lies. The records themselves are in the file alone:
// a million of them would be a gigabyte.
type ledger struct {
	max  int
	seed maphash.Seed

	mu    sync.Mutex
	keys  map[name]entry
	bytes int64    // Of all entries' lines in a file that holds nothing else.
	kids  []string // Ids of keys, to which entries point.
}

// name is a key in a fixed size: the start of its SHA-256, of which nobody can make
// two alike.
type name [16]byte

func nameOf(key []byte) name {
	sum := sha256.Sum256(key)
	return name(sum[:16])
}

// entry is what is known of the newest record of a key.
type entry struct {
	epoch, seq uint64
	keep       int64  // Unix second from which on no record of this key that was seen is live.
	sum        uint64 // Keyed hash of the record.
	// at is where the line of the record begins, or that of an earlier record of the
	// key as long as this one's is not written: a crash must not lose both. nowhere
	// where the file has neither.
	at   int64
	size int32 // Of the record, in bytes.
	kept bool  // That line is of this record.
	kid  uint8 // Index of the id of the key that has signed it; kidsMax for one of those beyond.
	// strength and until, a Unix second, are those of an operator's or a feed's word; 0
	// for an analyzer's. A weaker word does not replace it while it holds, because
	// nobody has folded the one into the other.
	strength int8
	until    uint32
}

// nowhere is the place of a line that the file does not have.
const nowhere = -1

// outcome says what became of a record.
type outcome uint8

const (
	newest    outcome = iota // Later than what was there: to be applied and kept.
	repeated                 // The same as what was there.
	stale                    // Earlier than what was there: refused.
	lapsed                   // Not live, and nothing was there that it would end.
	full                     // Newest, but there is no room to keep it.
	resigned                 // The same under another key: to be kept in its place.
	outranked                // A stronger word of an operator stands: refused.
)

func newLedger(limit int) *ledger {
	return &ledger{max: limit, seed: maphash.MakeSeed(), keys: make(map[name]entry)}
}

func keyOf(v *verdict.Verdict) name {
	return nameOf(topic.VerdictKey(v.Tenant, v.Target.GetKind(), v.Target.GetId(), v.Authority))
}

// record is a verified verdict with its envelope.
type record struct {
	verdict *verdict.Verdict
	raw     []byte
	// keep is the zero time but where the record comes from the file, which knows
	// how long older records of the key could be live; at is its place there, else
	// nowhere.
	keep time.Time
	at   int64
}

// fold takes a record, and returns until when its key has to be remembered. A
// verdict that has lapsed still ends an earlier one of its key: the gateway may
// have been away while it was live.
func (l *ledger) fold(r record, now time.Time) (outcome, time.Time) {
	v, keep := r.verdict, latest(r.keep, r.verdict.Until.AsTime())
	if len(v.Clears) > 0 {
		keep = latest(keep, v.GetTime().AsTime().Add(clearsKeep))
	}
	key := keyOf(v)
	next := entry{epoch: v.Epoch, seq: v.Seq, sum: maphash.Bytes(l.seed, r.raw), at: r.at, size: int32(len(r.raw)), kept: r.at != nowhere}
	l.mu.Lock()
	defer l.mu.Unlock()
	next.kid = l.kid(v.Kid)
	if v.Authority == verdict.AuthorityOperator || v.Authority == verdict.AuthorityFeed {
		next.strength, next.until = int8(verdict.Strength(v.Action)), uint32(min(max(v.Until.GetSeconds(), 0), math.MaxUint32))
	}
	old, known := l.keys[key]
	out := newest
	switch {
	case known && old.epoch == v.Epoch && old.seq == v.Seq:
		if old.kid == next.kid {
			return repeated, time.Unix(old.keep, 0)
		}
		out = resigned
	case known && !verdict.Later(v.Epoch, v.Seq, old.epoch, old.seq):
		return stale, time.Unix(old.keep, 0)
	case known && old.outranks(next, now):
		return outranked, time.Unix(old.keep, 0)
	case !known && !now.Before(keep):
		return lapsed, keep
	case !known && len(l.keys) >= l.max:
		l.sweepLocked(now)
		if len(l.keys) >= l.max {
			return full, keep
		}
	}
	next.keep = wholeSecond(keep)
	if known {
		l.bytes -= old.lineBytes()
		next.keep = max(next.keep, old.keep)
		if next.at == nowhere {
			next.at = old.at
		}
	}
	l.keys[key] = next
	l.bytes += next.lineBytes()
	return out, time.Unix(next.keep, 0)
}

// place makes a verdict from the future one of now, also in the order: it goes behind
// what it was said after, and before what its operator says later by a right clock.
func (l *ledger) place(v *verdict.Verdict, now time.Time) {
	epoch, seq := uint64(now.Unix()), uint64(now.Nanosecond())+1
	l.mu.Lock()
	e, known := l.keys[keyOf(v)]
	l.mu.Unlock()
	if known && !verdict.Later(v.Epoch, v.Seq, e.epoch, e.seq) {
		return
	}
	if known && !verdict.Later(epoch, seq, e.epoch, e.seq) {
		epoch, seq = e.epoch, e.seq+1
	}
	v.Time, v.Epoch, v.Seq = timestamppb.New(now), epoch, seq
}

// outranks reports whether a later word is weaker than e, which holds and was not
// lifted; observe lifts.
func (e entry) outranks(later entry, now time.Time) bool {
	return later.strength > 0 && later.strength < e.strength && now.Unix() < int64(e.until)
}

// kid is the index of a key's id.
func (l *ledger) kid(id string) uint8 {
	at := slices.Index(l.kids, id)
	if at < 0 {
		if len(l.kids) == kidsMax {
			return kidsMax
		}
		at = len(l.kids)
		l.kids = append(l.kids, id)
	}
	return uint8(at)
}

// news reports whether a verdict is later than what is known of its key.
func (l *ledger) news(v *verdict.Verdict) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, known := l.keys[keyOf(v)]
	return !known || verdict.Later(v.Epoch, v.Seq, e.epoch, e.seq)
}

// signedBy are the lines of the records that one of these keys has signed.
func (l *ledger) signedBy(kids []string) []place {
	all := l.places()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(all, func(p place) bool {
		e := l.keys[p.key]
		return int(e.kid) >= len(l.kids) || !slices.Contains(kids, l.kids[e.kid])
	})
}

// drop forgets a key, where its newest record is the one of a line, and reports
// whether it did.
func (l *ledger) drop(p place, raw []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, known := l.keys[p.key]
	if !known || e.at != p.at || !e.is(raw, l.seed) {
		return false
	}
	l.bytes -= e.lineBytes()
	delete(l.keys, p.key)
	return true
}

// wholeSecond is the first whole second that is not before t: nothing is forgotten
// too early.
func wholeSecond(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// has reports that raw is what is kept under key, so that its signature has been
// checked before. A record that is taken for another by its hash, once in 2^64
// times, is not applied: nobody can bring that about without the hash's secret.
func (l *ledger) has(key, raw []byte) bool {
	l.mu.Lock()
	e, known := l.keys[nameOf(key)]
	l.mu.Unlock()
	return known && e.is(raw, l.seed)
}

func (e entry) is(raw []byte, seed maphash.Seed) bool {
	return int(e.size) == len(raw) && e.sum == maphash.Bytes(seed, raw)
}

func (e entry) lineBytes() int64 { return int64(lineOverheadBytes) + int64(e.size) }

// sweep drops the keys of which nothing can be live any more.
func (l *ledger) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweepLocked(now)
}

func (l *ledger) sweepLocked(now time.Time) {
	for key, e := range l.keys {
		if now.Unix() >= e.keep {
			l.bytes -= e.lineBytes()
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

// place is a line of a key in the file.
type place struct {
	key  name
	keep int64
	at   int64
	to   int64 // Where it lies in the file that replaces this one.
}

// places are the lines that the file has, in its order.
func (l *ledger) places() []place {
	l.mu.Lock()
	all := make([]place, 0, len(l.keys))
	for key, e := range l.keys {
		if e.at != nowhere {
			all = append(all, place{key: key, keep: e.keep, at: e.at, to: nowhere})
		}
	}
	l.mu.Unlock()
	slices.SortFunc(all, func(a, b place) int { return cmp.Compare(a.at, b.at) })
	return all
}

// move notes where the lines lie after the file has been replaced.
func (l *ledger) move(all []place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range all {
		e, known := l.keys[p.key]
		if known && e.at == p.at { // Always, but for keys that were swept meanwhile.
			e.at, e.kept = p.to, e.kept && p.to != nowhere
			l.keys[p.key] = e
		}
	}
}

// written notes where lines lie that have been added to the file, the first one
// at the offset base.
func (l *ledger) written(lines []line, base int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range lines {
		e, known := l.keys[w.key]
		if known && e.epoch == w.epoch && e.seq == w.seq {
			e.at, e.kept = base+w.at, true
			l.keys[w.key] = e
		}
	}
}

// saved reports whether the file has a verdict, or one of its key that is newer.
func (l *ledger) saved(v *verdict.Verdict) bool {
	l.mu.Lock()
	e, known := l.keys[keyOf(v)]
	l.mu.Unlock()
	return known && e.kept
}

// newestAt reports whether raw, which lies at a place, is the newest record of the
// place's key, as it was verified.
func (l *ledger) newestAt(p place, raw []byte) bool {
	l.mu.Lock()
	e, known := l.keys[p.key]
	l.mu.Unlock()
	return known && e.at == p.at && e.is(raw, l.seed)
}
