package assign

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ClaimsMax is the most claims that one member may make: as many as one process
// holds partitions.
const ClaimsMax = 4096

// The first byte of what a member announces.
const (
	claimsVersion = 1 // Claims alone.
	memberVersion = 2 // Before them, how far the member is a standby and since when.
)

// ErrFormat means that what a member says is cut or not of a version that is known.
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

// Encode writes what a member says about itself, without its ID; claims beyond
// [ClaimsMax] are left out. The form is a byte for the version, then as unsigned
// varints [Member.Standby], [Member.Since] and, for each claim, partition, epoch, and
// 1 where it is live.
func Encode(m Member) []byte {
	out := binary.AppendUvarint([]byte{memberVersion}, uint64(max(0, m.Standby)))
	return appendClaims(binary.AppendUvarint(out, uint64(max(0, m.Since))), m.Claims)
}

// EncodeClaims writes the form before it, which knows no standby: a byte for the
// version and then the claims.
func EncodeClaims(claims []Claim) []byte { return appendClaims([]byte{claimsVersion}, claims) }

func appendClaims(out []byte, claims []Claim) []byte {
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

// Decode reads what [Encode] or [EncodeClaims] wrote. An error wraps [ErrFormat].
func Decode(b []byte) (Member, error) {
	var m Member
	switch {
	case len(b) > 0 && b[0] == claimsVersion:
		b = b[1:]
	case len(b) > 0 && b[0] == memberVersion:
		standby, n := binary.Uvarint(b[1:])
		since, k := binary.Uvarint(b[1+max(0, n):])
		if n <= 0 || k <= 0 || standby > math.MaxInt32 || since > math.MaxInt64 {
			return Member{}, fmt.Errorf("standby of %d since %d: %w", standby, since, ErrFormat)
		}
		m.Standby, m.Since, b = int(standby), int64(since), b[1+n+k:]
	default:
		return Member{}, ErrFormat
	}
	var err error
	m.Claims, err = decodeClaims(b)
	if err != nil {
		return Member{}, err
	}
	return m, nil
}

func decodeClaims(b []byte) ([]Claim, error) {
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
		if fields[0] > math.MaxInt32 || fields[2] > 1 {
			return nil, fmt.Errorf("claim %d holds %v: %w", len(claims), fields, ErrFormat)
		}
		claims = append(claims, Claim{Partition: int(fields[0]), Epoch: fields[1], Live: fields[2] == 1})
	}
	return claims, nil
}
