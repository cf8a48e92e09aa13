package emit

import (
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/gateway/emit/spool"
	"github.com/vigil-gateway/vigil/schemas/cloudevent"
	"github.com/vigil-gateway/vigil/schemas/event"
)

// sort says what a record is to the accounting.
type sort uint8

const (
	sortEvent sort = iota
	sortTick
	sortTombstone
	sortEnforcement
)

// record is one encoded message on its way. It belongs to the queue from push
// to pop; only the sender of its partition changes it in between, and makes another of
// it after that: whoever has pushed it must not look at it any more.
type record struct {
	life  *life // Whose number it has; nil for an enforcement of this life.
	lane  uint32
	sort  sort
	seq   uint64
	last  uint64 // The last number that it stands for.
	class spool.Class
	ref   spool.Ref // Where the spool has it.
	// slot is the place of its request where that alone tells of it after a crash.
	slot  spool.Slot
	buf   *[]byte // Holds key and value; goes back to the pool at the end.
	key   []byte
	value []byte
	size  int64

	id          string
	typ         string
	traceparent string
	time        time.Time // What ce_time says.
	queued      time.Time
	tried       bool // An attempt was made; it may have been stored.
	resident    bool // It takes from the queue's budget.
	awaited     bool // A response waits until it is scored.
}

// weigh notes what the record takes from a queue's budget and, roughly, from a
// produce request. It stays what it was when an event becomes a tombstone, so
// that the queue gets back what it gave.
func (r *record) weigh() { r.size = int64(len(r.key)+len(r.value)) + recordOverheadBytes }

// attributes are what the record's headers say.
func (r *record) attributes(source string) cloudevent.Attributes {
	return cloudevent.Attributes{
		ID: r.id, Source: source, Type: r.typ, Time: r.time,
		ContentType: cloudevent.Protobuf, TraceParent: r.traceparent,
	}
}

// records are those that Kafka has, for the next ones.
type records struct{ pool sync.Pool }

func (p *records) get() *record {
	if r, ok := p.pool.Get().(*record); ok {
		return r
	}
	return new(record)
}

// put takes a record that nobody knows any more.
func (p *records) put(r *record) {
	*r = record{}
	p.pool.Put(r)
}

// bufferKeepMax is the largest buffer that is worth keeping for the next event.
const bufferKeepMax = 4 << 10

// buffers are the reusable buffers that records are encoded into.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return buf
	}
	buf := make([]byte, 0, 1<<10)
	return &buf
}

func (b *buffers) put(buf *[]byte) {
	if buf != nil && cap(*buf) <= bufferKeepMax {
		*buf = (*buf)[:0]
		b.pool.Put(buf)
	}
}

// fill encodes key and e into the record's own buffer.
func (r *record) fill(key []byte, e *event.RequestEvent) error {
	*r.buf = append((*r.buf)[:0], key...)
	out, err := event.Append(*r.buf, e)
	if err != nil {
		return err
	}
	*r.buf = out
	r.key, r.value = out[:len(key):len(key)], out[len(key):]
	r.weigh()
	return nil
}
