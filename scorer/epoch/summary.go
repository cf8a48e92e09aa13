package epoch

import (
	"fmt"

	"github.com/vigil-gateway/vigil/scorer/profile"
	"github.com/vigil-gateway/vigil/scorer/sequence"
	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Summary is all that one partition has learned about a tenant.
type Summary struct {
	Tenant    string
	Partition int32
	// At is the stream time of the partition, in nanoseconds since 1970.
	At int64
	// Epoch is the number of the epoch in force, 0 for none.
	Epoch    uint64
	Sequence *sequence.Shared
	// Shift is how far the partition has moved from the epoch in force, see
	// [Knowledge.Shift]. It is not part of the bytes: it alarms whoever owns the
	// partition.
	Shift float64
	// Likelihoods are those of the habits' concentrations.
	Likelihoods [Habits]profile.Likelihood
	// Groups are those of peer groups.
	Groups GroupLikelihoods
	// Detectors are the samples of the live twins of package anomaly, by name.
	Detectors []Detector
}

// Encode returns the sealed bytes of a summary.
func (s *Summary) Encode() []byte {
	k := snapshot.Writer()
	s.code(k, version)
	return seal(magicSummary, version, k.Bytes())
}

// DecodeSummary reads what Encode wrote. The error wraps [ErrFormat],
// [ErrVersion] or [ErrChecksum].
func DecodeSummary(b []byte) (*Summary, error) {
	k, layout, err := open(magicSummary, b)
	if err != nil {
		return nil, fmt.Errorf("read summary: %w", err)
	}
	s := &Summary{Sequence: sequence.NewShared()}
	s.code(k, layout)
	err = k.Err()
	if err != nil || len(s.Tenant) > TenantBytesMax || s.Partition < 0 {
		return nil, fmt.Errorf("read summary: %w", ErrFormat)
	}
	return s, nil
}

func (s *Summary) code(k *snapshot.Codec, layout byte) {
	partition := int64(s.Partition)
	k.Str(&s.Tenant)
	k.I64(&partition)
	k.I64(&s.At)
	k.U64(&s.Epoch)
	s.Sequence.Code(k)
	for i := range s.Likelihoods {
		s.Likelihoods[i].Code(k)
	}
	if layout > versionBare {
		codeDetectors(k, &s.Detectors)
		s.Groups.code(k)
	}
	if layout > versionGroups {
		s.Sequence.CodeAdaptive(k)
	}
	s.Partition = int32(partition)
}
