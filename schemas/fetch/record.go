package fetch

import (
	"encoding/binary"
	"iter"
	"slices"
	"time"
)

// Record is one record of a partition.
type Record struct {
	Offset int64
	// Millis is the record's time in milliseconds since 1970: the producer's, or the
	// broker's where the topic is configured so.
	Millis int64
	Key    []byte
	Value  []byte // Nil is a tombstone.
	Headers
}

// Time is the record's time.
func (r *Record) Time() time.Time { return time.UnixMilli(r.Millis) }

// Headers are the headers of a record as they stand in its batch: looking one up
// walks through them, and most records are asked for two. The zero value has none.
type Headers struct {
	n    int
	list []byte
}

// Size is how many bytes they take.
func (h Headers) Size() int { return len(h.list) }

// Header looks a header up; the first of a name counts. A header without a value
// has a nil one.
func (h Headers) Header(name string) (value []byte, ok bool) {
	list := h.list
	for range h.n {
		var key []byte
		var whole bool
		key, list, whole = text(list)
		if !whole {
			return nil, false
		}
		value, list, whole = text(list)
		if !whole {
			return nil, false
		}
		if string(key) == name {
			return value, true
		}
	}
	return nil, false
}

// All lists the headers in their order.
func (h Headers) All() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		list := h.list
		for range h.n {
			key, rest, whole := text(list)
			if !whole {
				return
			}
			value, rest, whole := text(rest)
			if !whole || !yield(string(key), value) {
				return
			}
			list = rest
		}
	}
}

// Add adds a header behind the others.
func (h *Headers) Add(name string, value []byte) {
	list := binary.AppendVarint(slices.Clip(h.list), int64(len(name)))
	list = append(list, name...)
	list = binary.AppendVarint(list, int64(len(value)))
	h.n, h.list = h.n+1, append(list, value...)
}

// text reads what has its length in front of it; whole is false where it ends
// before that. A negative length is nil.
func text(b []byte) (value, rest []byte, whole bool) {
	size, n := varint(b)
	if n <= 0 || size > int64(len(b)-n) {
		return nil, nil, false
	}
	if size < 0 {
		return nil, b[n:], true
	}
	end := n + int(size)
	return b[n:end:end], b[end:], true
}

// varint is [binary.Varint] with the short way out for a single byte, as most are.
func varint(b []byte) (v int64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return int64(b[0]>>1) ^ -int64(b[0]&1), 1
	}
	return binary.Varint(b)
}
