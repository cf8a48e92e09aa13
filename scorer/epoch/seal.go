package epoch

import (
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/vigil-gateway/vigil/scorer/snapshot"
)

// Errors of reading a summary or an epoch.
var (
	ErrFormat   = errors.New("not of this kind")
	ErrVersion  = errors.New("of another version")
	ErrChecksum = errors.New("damaged")
)

// Versions of both layouts. Bytes of the first, which has neither detectors nor peer
// groups, and of the second, which has no adaptive test of the order, are read, and written again as they were: control records name epochs by their digest.
const (
	versionBare   = 1
	versionGroups = 2
	version       = 3
)

// Magics of the two.
const (
	magicSummary = "VIGILSU"
	magicEpoch   = "VIGILEP"
)

const sealBytes = len(magicEpoch) + 1 + 16

// seal puts magic, version and checksum around a payload.
func seal(magic string, layout byte, payload []byte) []byte {
	b := make([]byte, 0, len(payload)+sealBytes)
	b = append(append(b, magic...), layout)
	sum := xxh3.Hash128(payload).Bytes()
	return append(append(b, sum[:]...), payload...)
}

// open returns the payload and the version of its layout.
func open(magic string, b []byte) (*snapshot.Codec, byte, error) {
	switch {
	case len(b) > BytesMax:
		return nil, 0, fmt.Errorf("%d B, at most %d: %w", len(b), BytesMax, ErrFormat)
	case len(b) < sealBytes || string(b[:len(magic)]) != magic:
		return nil, 0, ErrFormat
	case b[len(magic)] > version || b[len(magic)] < versionBare:
		return nil, 0, fmt.Errorf("version %d, want %d to %d: %w", b[len(magic)], versionBare, version, ErrVersion)
	}
	payload := b[sealBytes:]
	sum := xxh3.Hash128(payload).Bytes()
	if string(sum[:]) != string(b[len(magic)+1:sealBytes]) {
		return nil, 0, ErrChecksum
	}
	return snapshot.Reader(payload), b[len(magic)], nil
}
