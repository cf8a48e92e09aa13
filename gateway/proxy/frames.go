package proxy

import (
	"encoding/binary"
	"math"
)

// frames follows the WebSocket frames of one direction (RFC 6455, section 5.2),
// to know where one ends. The zero value stands between two frames.
type frames struct {
	left uint64 // Bytes that are missing of a frame that is too large to hold.
}

// split says how many bytes of b may be passed on: whole frames, and what
// there is of a frame that is larger than room. The rest is to be offered again
// with what follows it.
func (f *frames) split(b []byte, room int) int {
	at := int(min(f.left, uint64(len(b))))
	f.left -= uint64(at)
	for at < len(b) {
		size, known := frameSize(b[at:])
		if !known {
			break
		}
		if size <= uint64(len(b)-at) {
			at += int(size)
			continue
		}
		if size > uint64(room) {
			f.left = size - uint64(len(b)-at)
			at = len(b)
		}
		break
	}
	return at
}

// frameSize is the size of the frame that b begins with; false where its
// header is not complete.
func frameSize(b []byte) (uint64, bool) {
	if len(b) < 2 {
		return 0, false
	}
	header, payload := uint64(2), uint64(b[1]&0x7f)
	switch payload {
	case 126:
		header = 4
		if len(b) < 4 {
			return 0, false
		}
		payload = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		header = 10
		if len(b) < 10 {
			return 0, false
		}
		payload = binary.BigEndian.Uint64(b[2:])
	}
	if b[1]&0x80 != 0 {
		header += 4
	}
	if payload > math.MaxUint64-header {
		return math.MaxUint64, true
	}
	return header + payload, true
}

// Close codes of RFC 6455, section 7.4.1.
const (
	closeGoingAway = 1001
	closePolicy    = 1008
)

// closeFrame is an unmasked close frame. reason has at most 123 bytes.
func closeFrame(code uint16, reason string) []byte {
	f := []byte{0x88, byte(2 + len(reason))}
	f = binary.BigEndian.AppendUint16(f, code)
	return append(f, reason...)
}
