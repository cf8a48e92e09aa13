package assessment

import (
	"errors"
	"fmt"
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
	err := b.UnmarshalVT(record)
	if err != nil {
		return nil, fmt.Errorf("decode record: %w: %w", ErrMalformed, err)
	}
	if b.LastOffset < b.FirstOffset || b.Topic == "" {
		return nil, fmt.Errorf("offsets %d to %d of %q: %w", b.FirstOffset, b.LastOffset, b.Topic, ErrMalformed)
	}
	return b, nil
}
