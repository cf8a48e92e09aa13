package seal

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"time"
)

// Header is the record header that bears a seal.
const Header = "vigil-seal"

// SourcePrefix stands before a gateway's id in the header ce_source.
const SourcePrefix = "vigil://gateway/"

const (
	// versionAlone is a batch with a signature of its own, versionRound one that shares
	// it with the others of its round.
	versionAlone, versionRound = 1, 2
	// fixedBytes is what stands before the path, or before the kid where there is none.
	fixedBytes = 1 + 4 + 8 + 8 + 8 + sha256.Size + ed25519.SignatureSize
	// context begins what is hashed and signed, so that a seal is never a signature of
	// something else.
	context = "vigil batch seal v1\x00"
)

// Hash is the hash of a batch.
type Hash [sha256.Size]byte

// Record is the part of a Kafka record that a seal covers.
type Record struct {
	Key, Value []byte
	// Header looks a header up.
	Header func(name string) (value []byte, ok bool)
}

// covered are the headers that readers use, in the order in which they are hashed.
// Others may be added on the way, as mirrors do.
func covered() [7]string {
	return [...]string{"ce_id", "ce_source", "ce_type", "ce_time", "content-type", "traceparent", "tracestate"}
}

// Seal is a seal as read.
type Seal struct {
	// Count is how many records the batch has, its first one included.
	Count int
	// Epoch is that of the life that has sent it, Number its place in that life's
	// chain, from 1.
	Epoch, Number uint64
	// Time is when it was sealed.
	Time time.Time
	// Previous is the hash of the batch before, zero for none.
	Previous Hash
	// Kid is the id of the signer's key.
	Kid string

	signature [ed25519.SignatureSize]byte
	path      path // Empty for a batch that was signed alone.
}

// errLayout means that a header is no seal.
var errLayout = errors.New("header " + Header + " is no seal of a known version")

// Parse reads a header.
func Parse(header []byte) (Seal, error) {
	if len(header) <= fixedBytes {
		return Seal{}, errLayout
	}
	be := binary.BigEndian
	s := Seal{
		Count: int(be.Uint32(header[1:])), Epoch: be.Uint64(header[5:]), Number: be.Uint64(header[13:]),
		Time: time.Unix(0, int64(be.Uint64(header[21:]))).UTC(), Previous: Hash(header[29:]),
	}
	copy(s.signature[:], header[29+sha256.Size:])
	kid, ok := header[fixedBytes:], header[0] == versionAlone
	if header[0] == versionRound {
		s.path, kid, ok = parsePath(kid)
	}
	if !ok || len(kid) == 0 || len(kid) > KidBytesMax {
		return Seal{}, errLayout
	}
	s.Kid = string(kid)
	if s.Count < 1 || s.Count > RecordsMax || s.Epoch == 0 || s.Number == 0 {
		return Seal{}, fmt.Errorf("%w: %d records, epoch %d, number %d", errLayout, s.Count, s.Epoch, s.Number)
	}
	return s, nil
}

// header is the seal as it is written.
func (s *Seal) header() []byte {
	be := binary.BigEndian
	b := make([]byte, 1, fixedBytes+pathHeadBytes+len(s.path.beside)*sha256.Size+len(s.Kid))
	b[0] = versionAlone
	b = be.AppendUint32(b, uint32(s.Count))
	b = be.AppendUint64(be.AppendUint64(b, s.Epoch), s.Number)
	b = be.AppendUint64(b, uint64(s.Time.UnixNano()))
	b = append(append(b, s.Previous[:]...), s.signature[:]...)
	if len(s.path.beside) > 0 {
		b[0] = versionRound
		b = s.path.append(b)
	}
	return append(b, s.Kid...)
}

// hasher makes the hash of one batch after another.
type hasher struct {
	sum hash.Hash
	buf []byte
}

// begin starts a batch.
func (h *hasher) begin(s *Seal, gateway string, partition int32) {
	if h.sum == nil {
		h.sum = sha256.New()
	}
	h.sum.Reset()
	be := binary.BigEndian
	b := append(h.buf[:0], context...)
	b = be.AppendUint32(be.AppendUint32(b, uint32(partition)), uint32(s.Count))
	b = be.AppendUint64(be.AppendUint64(b, s.Epoch), s.Number)
	b = be.AppendUint64(b, uint64(s.Time.UnixNano()))
	h.buf = part(append(b, s.Previous[:]...), []byte(gateway))
	_, _ = h.sum.Write(h.buf) // A hash never fails.
}

// add takes one record in.
func (h *hasher) add(r Record) {
	b := part(part(h.buf[:0], r.Key), r.Value)
	for _, name := range covered() {
		v, ok := r.Header(name)
		if !ok {
			v = nil
		}
		b = part(b, v)
	}
	h.buf = b
	_, _ = h.sum.Write(b)
}

// end is the batch's hash.
func (h *hasher) end() (out Hash) {
	h.sum.Sum(out[:0])
	return out
}

// part appends a text behind its length.
func part(b, text []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
}
