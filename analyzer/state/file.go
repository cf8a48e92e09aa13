package state

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/schemas/seal"
)

// magic begins every file; its last byte is the version of the layout:
//
//	8 B magic, 4 B header length, header as JSON, body, 8 B body length,
//	8 B XXH3-64 of everything before. Integers are big-endian.
const magic = "VGSTATE\x01"

// trailerBytes is the body's length and the checksum.
const trailerBytes = 16

// ErrDamaged means that a file is cut, altered, or not of this version.
var ErrDamaged = errors.New("state file is damaged")

// Header says what a file is the state of.
type Header struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	// TopicID is the id that the broker gave the topic, "" where it gives none.
	TopicID string `json:"topic_id,omitempty"`
	// Next is the offset of the first record that the state has not seen.
	Next int64 `json:"next"`
	// Epoch is the verdict epoch under which it was written.
	Epoch uint64 `json:"epoch"`
	// Partitions is how many the topic had, 0 where that was not noted.
	Partitions int `json:"partitions,omitempty"`
	// Model is the digest of the model in force.
	Model string `json:"model"`
	// Cold is the mark of the partition's cold store at Next, "" where there is none.
	Cold string `json:"cold,omitempty"`
	// Saved is the analyzer's wall clock, for people.
	Saved time.Time `json:"saved"`
	// Copied says that a standby has it from the archive. Its owner may have got
	// further under the same epoch, and it fences nobody.
	Copied bool `json:"copied,omitempty"`
	// Seals are how far the chains of the gateways' batches are. The archive does not
	// keep them: a chain is then one that is met for the first time.
	Seals []seal.Entry `json:"seals,omitempty"`
}

// LaterThan reports whether it is of a later owner than another of its partition, or
// of the same one later on.
func (h Header) LaterThan(o Header) bool {
	return h.Epoch > o.Epoch || h.Epoch == o.Epoch && h.Next > o.Next
}

// write writes one file and syncs it.
func write(path string, h Header, body func(io.Writer) error) (int64, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // The path is made of the operator's folder and our own names.
	if err != nil {
		return 0, fmt.Errorf("create state file: %w", err)
	}
	defer func() { _ = f.Close() }() // Closed below where all went well.
	out := &summed{w: bufio.NewWriterSize(f, 1<<20), sum: xxh3.New()}
	head, err := json.Marshal(h)
	if err != nil {
		return 0, fmt.Errorf("encode state header: %w", err)
	}
	lead := binary.BigEndian.AppendUint32([]byte(magic), uint32(len(head)))
	_, err = out.Write(append(lead, head...))
	if err != nil {
		return 0, fmt.Errorf("write state header: %w", err)
	}
	before := out.n
	err = body(out)
	if err != nil {
		return 0, fmt.Errorf("write state: %w", err)
	}
	_, err = out.Write(binary.BigEndian.AppendUint64(nil, uint64(out.n-before)))
	if err == nil {
		_, err = out.Write(binary.BigEndian.AppendUint64(nil, out.sum.Sum64()))
	}
	if err != nil {
		return 0, fmt.Errorf("write state trailer: %w", err)
	}
	err = errors.Join(out.w.Flush(), f.Sync(), f.Close())
	if err != nil {
		return 0, fmt.Errorf("sync state file: %w", err)
	}
	return out.n, nil
}

// read checks one file as a whole and returns its body. One pass over the file and
// one over its bytes: what restores it reads them in place.
func read(path string) (h Header, body []byte, err error) {
	f, err := os.Open(path) //nolint:gosec // The path is made of the operator's folder and our own names.
	if err != nil {
		return h, nil, fmt.Errorf("open state file: %w", err)
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return h, nil, fmt.Errorf("stat state file: %w", err)
	}
	h, at, err := readHeader(f)
	if err != nil {
		return h, nil, err
	}
	size := fi.Size() - at - trailerBytes
	if size < 0 || size > BodyBytesMax {
		return h, nil, fmt.Errorf("file of %d B is cut or too large: %w", fi.Size(), ErrDamaged)
	}
	whole := make([]byte, fi.Size())
	_, err = io.ReadFull(f, whole)
	if err != nil {
		return h, nil, fmt.Errorf("read state file: %w", err)
	}
	end := fi.Size() - trailerBytes
	if binary.BigEndian.Uint64(whole[end:]) != uint64(size) || binary.BigEndian.Uint64(whole[end+8:]) != xxh3.Hash(whole[:end+8]) {
		return h, nil, fmt.Errorf("checksum differs: %w", ErrDamaged)
	}
	return h, whole[at:end], nil
}

// readHeader reads the header alone; at is where the body begins.
func readHeader(f io.ReaderAt) (h Header, at int64, err error) {
	var lead [len(magic) + 4]byte
	_, err = f.ReadAt(lead[:], 0)
	if err != nil {
		return h, 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	n := binary.BigEndian.Uint32(lead[len(magic):])
	if string(lead[:len(magic)]) != magic || n > headerBytesMax {
		return h, 0, fmt.Errorf("not a state file of this version: %w", ErrDamaged)
	}
	head := make([]byte, n)
	_, err = f.ReadAt(head, int64(len(lead)))
	if err != nil {
		return h, 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	err = json.Unmarshal(head, &h)
	if err != nil {
		return h, 0, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return h, int64(len(lead)) + int64(n), nil
}

// summed counts and sums what passes through.
type summed struct {
	w   *bufio.Writer
	sum *xxh3.Hasher
	n   int64
}

// Write implements [io.Writer].
func (s *summed) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.n += int64(n)
	_, _ = s.sum.Write(p[:n]) // A hash never fails.
	return n, err
}
