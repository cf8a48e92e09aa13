package assessment

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// RecordBytesMax bounds one record; the analyzer cuts its batches well below.
const RecordBytesMax = 900 << 10

// Numbers of [AssessmentBatch]'s assessments and of its topic's id.
const (
	assessmentsField = 5
	topicIDField     = 6
)

// Errors of [Decode].
var (
	ErrTooLarge  = errors.New("assessment batch too large")
	ErrMalformed = errors.New("malformed assessment batch")
)

// Batch is the record of assessments that is being put together, encoded one by
// one, so that none of them need be kept. The zero value is empty and ready to
// use.
type Batch struct {
	encoded []byte
	// ends and offsets are where each assessment ends in encoded, and the offset
	// of its event.
	ends    []int
	offsets []int64
}

// Len is the number of assessments.
func (b *Batch) Len() int { return len(b.ends) }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.encoded, b.ends, b.offsets = b.encoded[:0], b.ends[:0], b.offsets[:0]
}

// Add encodes an assessment as the next of the batch and keeps nothing of it.
func (b *Batch) Add(a *Assessment) error {
	size := a.SizeVT()
	at := len(b.encoded)
	b.encoded = protowire.AppendTag(b.encoded, assessmentsField, protowire.BytesType)
	b.encoded = protowire.AppendVarint(b.encoded, uint64(size))
	b.encoded = slices.Grow(b.encoded, size)[:len(b.encoded)+size]
	_, err := a.MarshalToSizedBufferVT(b.encoded[len(b.encoded)-size:])
	if err != nil {
		b.encoded = b.encoded[:at]
		return fmt.Errorf("encode assessment: %w", err)
	}
	b.ends, b.offsets = append(b.ends, len(b.encoded)), append(b.offsets, a.GetOffset())
	return nil
}

// Records cuts the batch into records below bytesMax that together cover the
// offsets first to last, and yields the offsets and the bytes of each, which
// are the caller's. Assessments of one offset stay together, whatever their size.
// A batch without assessments has no record.
func (b *Batch) Records(topic, topicID string, partition int32, first, last int64, bytesMax int, yield func(first, last int64, record []byte)) error {
	var tail []byte
	if topicID != "" {
		tail = protowire.AppendString(protowire.AppendTag(nil, topicIDField, protowire.BytesType), topicID)
	}
	for i, begin := 0, 0; i < len(b.ends); {
		n := b.group(i)
		for n < len(b.ends) {
			next := b.group(n)
			if b.ends[next-1]-begin > bytesMax {
				break
			}
			n = next
		}
		through := last
		if n < len(b.ends) {
			through = b.offsets[n] - 1
		}
		head := AssessmentBatch{Topic: topic, Partition: partition, FirstOffset: first, LastOffset: through}
		size := head.SizeVT()
		record := make([]byte, size, size+b.ends[n-1]-begin+len(tail))
		_, err := head.MarshalToSizedBufferVT(record)
		if err != nil {
			return fmt.Errorf("encode assessments: %w", err)
		}
		yield(first, through, append(append(record, b.encoded[begin:b.ends[n-1]]...), tail...))
		first, begin, i = through+1, b.ends[n-1], n
	}
	return nil
}

// group is where the assessments of the offset that begins at i end.
func (b *Batch) group(i int) int {
	n := i + 1
	for n < len(b.ends) && b.offsets[n] == b.offsets[i] {
		n++
	}
	return n
}

// Decode reads a record of vigil.assessments. The error wraps [ErrTooLarge] or
// [ErrMalformed].
func Decode(record []byte) (*AssessmentBatch, error) {
	return decode(record, (*AssessmentBatch).UnmarshalVT)
}

// DecodeLent is [Decode] without a copy of any text: the texts are those of record,
// which must stay as it is for as long as anything of the batch is used.
func DecodeLent(record []byte) (*AssessmentBatch, error) {
	return decode(record, (*AssessmentBatch).UnmarshalVTUnsafe)
}

func decode(record []byte, unmarshal func(*AssessmentBatch, []byte) error) (*AssessmentBatch, error) {
	if len(record) > RecordBytesMax {
		return nil, fmt.Errorf("decode record of %d B: %w", len(record), ErrTooLarge)
	}
	b := new(AssessmentBatch)
	if unmarshal(b, record) != nil || !b.plain() {
		b = new(AssessmentBatch)
		err := proto.Unmarshal(record, b) // Slower, and knows what is well-formed beyond our own fields.
		if err != nil {
			return nil, fmt.Errorf("decode record: %w: %w", ErrMalformed, err)
		}
	}
	if b.FirstOffset < 0 || b.LastOffset < b.FirstOffset || b.Partition < 0 || b.Topic == "" {
		return nil, fmt.Errorf("offsets %d to %d of %q: %w", b.FirstOffset, b.LastOffset, b.Topic, ErrMalformed)
	}
	for _, a := range b.Assessments {
		if a.Offset < b.FirstOffset || a.Offset > b.LastOffset {
			return nil, fmt.Errorf("offset %d outside %d to %d: %w", a.Offset, b.FirstOffset, b.LastOffset, ErrMalformed)
		}
	}
	return b, nil
}

// plain reports whether there is nothing in x that only protobuf's own decoder
// checks: text that is not UTF-8, or fields of a later version.
func (x *AssessmentBatch) plain() bool {
	if len(x.unknownFields) > 0 || !utf8.ValidString(x.Topic) {
		return false
	}
	for _, a := range x.Assessments {
		if !a.plain() {
			return false
		}
	}
	return true
}

func (x *Assessment) plain() bool {
	unknown := len(x.unknownFields) + len(x.EventTime.ProtoReflect().GetUnknown()) + len(x.StreamTime.ProtoReflect().GetUnknown()) +
		len(x.Target.ProtoReflect().GetUnknown())
	for _, e := range x.Evidence {
		unknown += len(e.ProtoReflect().GetUnknown())
		if !texts(e.Signal, e.Group, e.Text, e.Technique) {
			return false
		}
	}
	return unknown == 0 && texts(x.EventId, x.Tenant, x.Subject, x.Session, x.Address, x.Action, x.Model, x.VerdictId, x.Phase,
		x.Target.GetKind(), x.Target.GetId())
}

// texts reports whether all are UTF-8.
func texts(list ...string) bool {
	for _, s := range list {
		if !utf8.ValidString(s) {
			return false
		}
	}
	return true
}
