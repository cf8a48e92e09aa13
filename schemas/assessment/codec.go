package assessment

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// RecordBytesMax bounds one record; the analyzer cuts its batches well below.
const RecordBytesMax = 900 << 10

// Errors of [Decode].
var (
	ErrTooLarge  = errors.New("assessment batch too large")
	ErrMalformed = errors.New("malformed assessment batch")
)

// Decode reads a record of vigil.assessments. The error wraps [ErrTooLarge] or
// [ErrMalformed].
func Decode(record []byte) (*AssessmentBatch, error) {
	if len(record) > RecordBytesMax {
		return nil, fmt.Errorf("decode record of %d B: %w", len(record), ErrTooLarge)
	}
	b := new(AssessmentBatch)
	err := proto.Unmarshal(record, b) // Stricter than the fast decoder: UTF-8, well-formed groups.
	if err != nil {
		return nil, fmt.Errorf("decode record: %w: %w", ErrMalformed, err)
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
