package emit

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/vigil-gateway/vigil/schemas/cloudevent"
)

// wire is a batch in the form of Kafka's protocol: a record batch of magic 2 (KIP-98),
// not compressed, of no transaction. It is written once and each attempt sends the
// same bytes.
type wire struct {
	fields []cloudevent.Header // Of all records, one behind the other.
	ends   []int               // Per record, the end of its own in fields.
	text   []byte              // The fields' values.
	out    []byte
	lent   bool // A request may still be reading out.
}

// Places in a record batch.
const (
	batchLengthAt  = 8
	batchCRCAt     = 17
	batchCoveredAt = 21 // Of what the checksum covers.
	batchHeader    = 61
	lengthBytes    = 4 // Before it.
)

// reset makes room for the next batch.
func (b *wire) reset() {
	b.fields, b.ends, b.text, b.out = b.fields[:0], b.ends[:0], b.text[:0], b.out[:0]
	if b.lent || cap(b.out) > wireKeepMax {
		b.out, b.lent = nil, false
	}
}

// describe notes the headers of the next record.
func (b *wire) describe(a cloudevent.Attributes) {
	b.fields, b.text = a.AppendHeaders(b.fields, b.text)
	b.ends = append(b.ends, len(b.fields))
}

// of are the headers of a record.
func (b *wire) of(n int) []cloudevent.Header {
	from := 0
	if n > 0 {
		from = b.ends[n-1]
	}
	return b.fields[from:b.ends[n]]
}

// header looks a header of a record up.
func (b *wire) header(n int, name string) (value []byte, ok bool) {
	for _, h := range b.of(n) {
		if h.Key == name {
			return h.Value, true
		}
	}
	return nil, false
}

// encode writes the records, which have been described; first are headers that the
// first one has beside.
func (b *wire) encode(records []*record, first []cloudevent.Header) {
	be := binary.BigEndian
	begin := records[0].queued.UnixMilli()
	newest := begin
	for _, r := range records {
		newest = max(newest, r.queued.UnixMilli())
	}
	all := append(b.out[:0], make([]byte, lengthBytes+batchHeader)...)
	out := all[lengthBytes:]
	be.PutUint32(out[12:], ^uint32(0)) // The leader's epoch is not known.
	out[16] = 2                        // Magic.
	be.PutUint32(out[23:], uint32(len(records)-1))
	be.PutUint64(out[27:], uint64(begin))
	be.PutUint64(out[35:], uint64(newest))
	be.PutUint64(out[43:], ^uint64(0)) // No producer id,
	be.PutUint16(out[51:], ^uint16(0)) // none of its epochs,
	be.PutUint32(out[53:], ^uint32(0)) // and no number.
	be.PutUint32(out[57:], uint32(len(records)))
	for n, r := range records {
		all = appendRecord(all, r, r.queued.UnixMilli()-begin, int64(n), b.of(n), first)
		first = nil
	}
	out = all[lengthBytes:]
	be.PutUint32(all, uint32(len(out)))
	be.PutUint32(out[batchLengthAt:], uint32(len(out)-batchLengthAt-4))
	be.PutUint32(out[batchCRCAt:], crc32.Checksum(out[batchCoveredAt:], crc32.MakeTable(crc32.Castagnoli)))
	b.out = all
}

// appendRecord appends one record.
func appendRecord(b []byte, r *record, since, offset int64, lists ...[]cloudevent.Header) []byte {
	size, count := 1+varintBytes(since)+varintBytes(offset)+textBytes(len(r.key))+textBytes(len(r.value)), 0
	for _, list := range lists {
		count += len(list)
		for _, h := range list {
			size += textBytes(len(h.Key)) + textBytes(len(h.Value))
		}
	}
	b = binary.AppendVarint(b, int64(size+varintBytes(int64(count))))
	b = append(b, 0) // No attributes.
	b = binary.AppendVarint(binary.AppendVarint(b, since), offset)
	b = append(binary.AppendVarint(b, int64(len(r.key))), r.key...)
	b = append(binary.AppendVarint(b, int64(len(r.value))), r.value...)
	b = binary.AppendVarint(b, int64(count))
	for _, list := range lists {
		for _, h := range list {
			b = append(binary.AppendVarint(b, int64(len(h.Key))), h.Key...)
			b = append(binary.AppendVarint(b, int64(len(h.Value))), h.Value...)
		}
	}
	return b
}

// varintBytes is how long a number is in the zigzag form.
func varintBytes(v int64) int {
	n := 1
	for u := uint64(v<<1) ^ uint64(v>>63); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}

// textBytes is how long a text of n bytes is behind its length.
func textBytes(n int) int { return varintBytes(int64(n)) + n }
