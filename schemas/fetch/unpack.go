package fetch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"
)

// unpacker unpacks batches, whoever has written them: what it takes in memory
// follows from what came and from the bound, never from what is said about it.
type unpacker struct {
	most int       // Bytes of a batch, as it came and unpacked; 0 is batchBytesMax.
	zstd sync.Pool // Decoders; kafka-go's would make a window of any size.
}

// bound is how many bytes the records of a batch may have.
func (u *unpacker) bound() int {
	if u.most == 0 {
		return batchBytesMax
	}
	return u.most
}

// unpack is what was compressed, of at most bound bytes, or with an error what was
// done of it; it wraps errLarge where it is more. A codec that panics has been
// given what it cannot read: the next reader would be given it, too.
func (u *unpacker) unpack(packing compress.Compression, packed []byte) (out []byte, err error) {
	defer func() {
		p := recover()
		if p != nil {
			err = fmt.Errorf("unpack %s: %v: %w", packing, p, errRecords)
		}
	}()
	most := u.bound()
	switch packing {
	case compress.None:
		return packed, nil
	case compress.Zstd:
		out, err = u.unpackZstd(packed, most)
	case compress.Snappy:
		err = checkSnappy(packed, most)
		if err == nil {
			out, err = unpackWith(packing.Codec(), packed, most)
		}
	case compress.Gzip, compress.Lz4:
		out, err = unpackWith(packing.Codec(), packed, most)
	default:
		return nil, fmt.Errorf("compression %d: %w", packing, ErrFormat)
	}
	if err != nil {
		return out, fmt.Errorf("unpack %s: %w", packing, err)
	}
	return out, nil
}

func unpackWith(codec compress.Codec, packed []byte, most int) ([]byte, error) {
	from := codec.NewReader(bytes.NewReader(packed))
	defer func() { _ = from.Close() }() // It reads from memory.
	return readAll(from, len(packed), most)
}

// readAll reads what is unpacked from so many bytes.
func readAll(from io.Reader, packed, most int) ([]byte, error) {
	out := make([]byte, 0, min(max(packedLike*packed, roomLeast), most))
	for {
		n, err := from.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case errors.Is(err, io.EOF):
			if 2*len(out) < cap(out) {
				out = bytes.Clone(out) // Whoever keeps a record keeps it all.
			}
			return out, nil
		case err != nil:
			return out, err
		case len(out) < cap(out):
			continue
		case cap(out) > most:
			return out, errLarge
		case cap(out) == most: // One byte more says that there is more.
			out = append(make([]byte, 0, most+1), out...)
		default:
			out = append(make([]byte, 0, min(roomGrows*cap(out), most)), out...)
		}
	}
}

func (u *unpacker) unpackZstd(packed []byte, most int) ([]byte, error) {
	d, _ := u.zstd.Get().(*zstd.Decoder)
	if d == nil {
		var err error
		d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(most)))
		if err != nil {
			return nil, err
		}
	}
	err := d.Reset(bytes.NewReader(narrowed(packed, most)))
	if err != nil {
		return nil, err
	}
	out, err := readAll(d, len(packed), most)
	_ = d.Reset(nil) // So that it holds nothing.
	u.zstd.Put(d)
	return out, err
}

// narrowed is a frame of Zstandard whose window, for which its reader makes room, is
// not larger than what may be unpacked, or can be: it looks no further back than that.
// A window in the head of another frame behind it is left to the reader's own bound.
//
// Source: RFC 8878, 3.1.1.1 and 3.1.1.2.
func narrowed(packed []byte, most int) []byte {
	const (
		atHead, atWindow = 4, 5
		bitOneSegment    = 1 << 5 // There is no window.
		exponentLow      = 3      // Above the mantissa; of 1 KiB.
		blockBytesLeast  = 4
		blockBytesMost   = 128 << 10 // Unpacked.
	)
	if len(packed) <= atWindow || packed[atHead]&bitOneSegment != 0 {
		return packed
	}
	most, exponent := min(most, blockBytesMost*(1+len(packed)/blockBytesLeast)), 0
	for 1<<10<<exponent < most {
		exponent++
	}
	if packed[atWindow]>>exponentLow < byte(exponent) {
		return packed
	}
	packed = bytes.Clone(packed)
	packed[atWindow] = byte(exponent) << exponentLow
	return packed
}

// snappyFramed begins what is cut into chunks with their lengths in front, as Java's
// library does it.
const snappyFramed = "\x82SNAPPY\x00"

// snappyHeadBytes is the length of all that stands before the first chunk.
const snappyHeadBytes = 16

// checkSnappy fails where the lengths that stand in Snappy's chunks cannot be
// right, or are too much: room is made for them before they are read.
func checkSnappy(packed []byte, most int) error {
	framed := bytes.HasPrefix(packed, []byte(snappyFramed))
	if framed {
		packed = packed[min(snappyHeadBytes, len(packed)):]
	}
	whole := uint64(0)
	for len(packed) > 0 {
		chunk := packed
		if framed {
			if len(packed) < 4 {
				return io.ErrUnexpectedEOF
			}
			n := uint64(binary.BigEndian.Uint32(packed))
			if n > uint64(len(packed)-4) {
				return io.ErrUnexpectedEOF
			}
			chunk = packed[4 : 4+n]
		}
		size, n := binary.Uvarint(chunk)
		if n <= 0 || size > uint64(len(chunk))*snappyTimesMax {
			return errRecords
		}
		whole += size
		if whole > uint64(most) {
			return errLarge
		}
		if !framed {
			return nil
		}
		packed = packed[4+len(chunk):]
	}
	return nil
}
