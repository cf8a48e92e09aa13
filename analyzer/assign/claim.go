package assign

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ClaimsMax is the most claims that one member may make: as many as one process
// holds partitions.
const ClaimsMax = 4096

// version begins what [Encode] writes.
const version = 1

// ErrFormat means that claims are cut or not of this version.
var ErrFormat = errors.New("not claims of this version")

// Claim is what a member says about one partition.
type Claim struct {
	// Partition is its number, at least 0.
	Partition int
	// Epoch is the verdict epoch of the state that the member has.
	Epoch uint64
	// Live says that the state is in memory, not only on disk.
	Live bool
}

// Encode writes claims as a member announces them; those beyond [ClaimsMax] are
// left out. The form is a byte for the version and then, for each claim, three
// unsigned varints: partition, epoch, and 1 where it is live.
func Encode(claims []Claim) []byte {
	out := []byte{version}
	for _, c := range claims[:min(len(claims), ClaimsMax)] {
		live := uint64(0)
		if c.Live {
			live = 1
		}
		for _, v := range []uint64{uint64(c.Partition), c.Epoch, live} {
			out = binary.AppendUvarint(out, v)
		}
	}
	return out
}

// Decode reads what [Encode] wrote. An error wraps [ErrFormat].
func Decode(b []byte) ([]Claim, error) {
	if len(b) == 0 || b[0] != version {
		return nil, ErrFormat
	}
	b = b[1:]
	var claims []Claim
	for len(b) > 0 {
		if len(claims) == ClaimsMax {
			return nil, fmt.Errorf("more than %d claims: %w", ClaimsMax, ErrFormat)
		}
		var fields [3]uint64
		for i := range fields {
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return nil, fmt.Errorf("claim %d is cut: %w", len(claims), ErrFormat)
			}
			fields[i], b = v, b[n:]
		}
		if fields[0] > 1<<31-1 || fields[2] > 1 {
			return nil, fmt.Errorf("claim %d holds %v: %w", len(claims), fields, ErrFormat)
		}
		claims = append(claims, Claim{Partition: int(fields[0]), Epoch: fields[1], Live: fields[2] == 1})
	}
	return claims, nil
}
