package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/zeebo/xxh3"
)

// Version is the format that Seal writes; a change of any entity's layout
// raises it.
const Version = 10

// PayloadBytesMax bounds a snapshot: 400,000 entities of 8 KiB.
const PayloadBytesMax = 4 << 30

const magic = "VIGILSS"

// sumBytes is the length of the checksum.
const sumBytes = 16

// Errors of [Open].
var (
	ErrFormat   = errors.New("not a snapshot")
	ErrVersion  = errors.New("snapshot of another version")
	ErrChecksum = errors.New("snapshot is damaged")
)

// Seal writes a payload with its header and checksum.
func Seal(w io.Writer, payload []byte) error {
	head := append([]byte(magic), Version)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(payload)))
	sum := xxh3.Hash128(payload).Bytes()
	for _, part := range [][]byte{head, payload, sum[:]} {
		_, err := w.Write(part)
		if err != nil {
			return fmt.Errorf("write snapshot: %w", err)
		}
	}
	return nil
}

// Open reads what Seal wrote and returns the payload. That of a [bytes.Buffer] is
// not copied: it holds until the buffer is written to. The error wraps [ErrFormat],
// [ErrVersion] or [ErrChecksum], or is that of r.
func Open(r io.Reader) ([]byte, error) {
	head := make([]byte, len(magic)+1+8)
	_, err := io.ReadFull(r, head)
	if err != nil {
		return nil, fmt.Errorf("read snapshot header: %w: %w", ErrFormat, err)
	}
	if string(head[:len(magic)]) != magic {
		return nil, ErrFormat
	}
	if head[len(magic)] != Version {
		return nil, fmt.Errorf("version %d, want %d: %w", head[len(magic)], Version, ErrVersion)
	}
	size := binary.LittleEndian.Uint64(head[len(magic)+1:])
	if size > PayloadBytesMax {
		return nil, fmt.Errorf("payload of %d B: %w", size, ErrFormat)
	}
	body, err := take(r, size+sumBytes)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	if uint64(len(body)) != size+sumBytes {
		return nil, fmt.Errorf("has %d of %d B: %w", len(body), size+sumBytes, ErrChecksum)
	}
	payload := body[:size]
	sum := xxh3.Hash128(payload).Bytes()
	if string(sum[:]) != string(body[size:]) {
		return nil, ErrChecksum
	}
	return payload, nil
}

// take reads up to n bytes. A buffer lends them: a million entities are gigabytes,
// and a codec copies what it keeps.
func take(r io.Reader, n uint64) ([]byte, error) {
	b, lends := r.(*bytes.Buffer)
	if lends {
		return b.Next(int(min(n, uint64(b.Len())))), nil
	}
	return io.ReadAll(io.LimitReader(r, int64(n)))
}

// Restore reads what Seal wrote: empty empties the state, code reads into it and
// reports what it alone can tell. On an error, which wraps one of this package's
// or is that of r or code, the state is empty, or as it was where nothing could be
// opened.
func Restore(r io.Reader, empty func(), code func(c *Codec) error) error {
	payload, err := Open(r)
	if err != nil {
		return err
	}
	c := Reader(payload)
	empty()
	err = code(c)
	if c.Err() != nil {
		err = c.Err()
	}
	if err != nil {
		empty()
	}
	return err
}

// Codec writes or reads fields one after the other. The first fault sticks and
// makes every later read return zero. A codec that writes changes no field.
type Codec struct {
	buf     []byte
	reading bool
	err     error
	names   map[string]string // One copy of each that was read.
}

// namesMax bounds the names of which a reader keeps one copy.
const namesMax = 1 << 16

// Writer returns a codec that writes.
func Writer() *Codec { return &Codec{} }

// WriterOf is Writer with room for so many bytes, where it is known how many there
// will be: nothing is copied for growing.
func WriterOf(size int) *Codec { return &Codec{buf: make([]byte, 0, size)} }

// Reader returns a codec that reads a payload.
func Reader(payload []byte) *Codec { return &Codec{buf: payload, reading: true} }

// Write makes a codec one that writes, in the memory that it has: what Bytes has
// returned is overwritten.
func (c *Codec) Write() *Codec {
	c.buf, c.err = c.buf[:0], nil
	return c
}

// Read makes a codec that reads go on with another payload, and with the names
// that it has.
func (c *Codec) Read(payload []byte) *Codec {
	c.buf, c.err = payload, nil
	return c
}

// Reading reports the direction.
func (c *Codec) Reading() bool { return c.reading }

// Bytes is what has been written.
func (c *Codec) Bytes() []byte { return c.buf }

// Err is the first fault; bytes left over after the last field are one too.
func (c *Codec) Err() error {
	if c.err == nil && c.reading && len(c.buf) > 0 {
		return fmt.Errorf("%d B are left over: %w", len(c.buf), ErrFormat)
	}
	return c.err
}

// U64 writes or reads an unsigned integer.
func (c *Codec) U64(v *uint64) {
	if !c.reading {
		c.buf = binary.AppendUvarint(c.buf, *v)
		return
	}
	x, n := binary.Uvarint(c.buf)
	if n <= 0 {
		c.fail()
		x, n = 0, 0
	}
	c.buf = c.buf[n:]
	*v = x
}

// I64 writes or reads a signed integer.
func (c *Codec) I64(v *int64) {
	u := uint64(*v)<<1 ^ uint64(*v>>63)
	c.U64(&u)
	if c.reading {
		*v = int64(u>>1) ^ -int64(u&1)
	}
}

// Int writes or reads an int.
func (c *Codec) Int(v *int) {
	i := int64(*v)
	c.I64(&i)
	if c.reading {
		*v = int(i)
	}
}

// F64 writes or reads a float by its bits. What is not a finite number is a
// fault: no such value is ever part of the state.
func (c *Codec) F64(v *float64) {
	if !c.reading {
		c.buf = binary.LittleEndian.AppendUint64(c.buf, math.Float64bits(*v))
		return
	}
	if len(c.buf) < 8 {
		c.fail()
		*v = 0
		return
	}
	*v = math.Float64frombits(binary.LittleEndian.Uint64(c.buf))
	c.buf = c.buf[8:]
	if math.IsNaN(*v) || math.IsInf(*v, 0) {
		c.fail()
		*v = 0
	}
}

// F32 writes or reads a short float.
func (c *Codec) F32(v *float32) {
	u := uint64(math.Float32bits(*v))
	c.U64(&u)
	if !c.reading {
		return
	}
	*v = math.Float32frombits(uint32(u))
	if math.IsNaN(float64(*v)) || math.IsInf(float64(*v), 0) {
		c.fail()
		*v = 0
	}
}

// Bool writes or reads a truth value.
func (c *Codec) Bool(v *bool) {
	var u uint64
	if *v {
		u = 1
	}
	c.U64(&u)
	if c.reading {
		*v = u == 1
	}
}

// Str writes or reads a text.
func (c *Codec) Str(v *string) {
	n := c.Len(len(*v))
	if !c.reading {
		c.buf = append(c.buf, *v...)
		return
	}
	*v = string(c.buf[:n])
	c.buf = c.buf[n:]
}

// Name is Str for a text that many entities share: a reader gives all of them
// the same copy.
func (c *Codec) Name(v *string) {
	if !c.reading {
		c.Str(v)
		return
	}
	n := c.Len(0)
	text := c.buf[:n]
	c.buf = c.buf[n:]
	name, ok := c.names[string(text)]
	if !ok {
		name = string(text)
		if c.names == nil || len(c.names) >= namesMax {
			c.names = make(map[string]string)
		}
		c.names[name] = name
	}
	*v = name
}

// Len writes n, or reads a count, which never exceeds the bytes that remain:
// every element takes at least one.
func (c *Codec) Len(n int) int {
	u := uint64(n)
	c.U64(&u)
	if c.reading && u > uint64(len(c.buf)) {
		c.fail()
		return 0
	}
	return int(u)
}

// Failed reports whether a fault has occurred.
func (c *Codec) Failed() bool { return c.err != nil }

// Fail makes a reader fail that holds what no state has.
func (c *Codec) Fail() { c.fail() }

func (c *Codec) fail() {
	if c.err == nil {
		c.err = fmt.Errorf("payload ends early or holds a value that no state has: %w", ErrFormat)
	}
	c.buf = nil
}

// List writes or reads a slice, one element at a time.
func List[T any](c *Codec, list *[]T, each func(*T)) {
	n := c.Len(len(*list))
	if c.reading {
		*list = nil
		if n > 0 {
			*list = make([]T, 0, min(n, 1024))
		}
		for range n {
			if c.err != nil {
				return
			}
			var none T
			*list = append(*list, none)
			each(&(*list)[len(*list)-1]) // In its place: a variable of its own would take memory each time.
		}
		return
	}
	for i := range *list {
		each(&(*list)[i])
	}
}
