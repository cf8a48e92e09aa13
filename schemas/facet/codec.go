package facet

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
)

const (
	// RecordBytesMax bounds one record.
	RecordBytesMax = 900 << 10
	// SketchMax is how many hashes a sketch holds.
	SketchMax = 64
	// DeltasMax bounds the deltas of one cut.
	DeltasMax = 256
	// TopicIDBytesMax bounds the id of a topic, of which a broker's has 32 digits.
	TopicIDBytesMax = 64
)

// KindTenant is the facet that all requests of a tenant share.
const KindTenant = "tenant"

// Errors of [Decode].
var (
	ErrTooLarge  = errors.New("facet cut too large")
	ErrMalformed = errors.New("malformed facet cut")
)

// Decode reads a record of vigil.facets. The error wraps [ErrTooLarge] or
// [ErrMalformed].
func Decode(record []byte) (*FacetCut, error) {
	if len(record) > RecordBytesMax {
		return nil, fmt.Errorf("decode record of %d B: %w", len(record), ErrTooLarge)
	}
	c := new(FacetCut)
	err := proto.Unmarshal(record, c) // Stricter than the fast decoder: UTF-8, well-formed groups.
	if err != nil {
		return nil, fmt.Errorf("decode record: %w: %w", ErrMalformed, err)
	}
	if c.FirstOffset < 0 || c.LastOffset < c.FirstOffset || c.Partition < 0 || c.Topic == "" || c.Time == nil {
		return nil, fmt.Errorf("offsets %d to %d of %q: %w", c.FirstOffset, c.LastOffset, c.Topic, ErrMalformed)
	}
	if len(c.TopicId) > TopicIDBytesMax {
		return nil, fmt.Errorf("topic id of %d B: %w", len(c.TopicId), ErrMalformed)
	}
	if len(c.Deltas) > DeltasMax {
		return nil, fmt.Errorf("%d deltas: %w", len(c.Deltas), ErrMalformed)
	}
	for _, d := range c.Deltas {
		for _, s := range [][]uint64{d.Failed, d.Passed, d.Sources, d.Users, d.Moved, d.Networks, d.Missing, d.Suspended} {
			if len(s) > SketchMax || !ascending(s) {
				return nil, fmt.Errorf("facet %s %q: a sketch is out of order or too long: %w", d.Kind, d.Id, ErrMalformed)
			}
		}
	}
	return c, nil
}

// ascending reports whether a sketch is in order and has no hash twice: what
// counts by the largest of its hashes divides by it.
func ascending(s []uint64) bool {
	for i := 1; i < len(s); i++ {
		if s[i-1] >= s[i] {
			return false
		}
	}
	return true
}
