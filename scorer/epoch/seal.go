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

// version is that of both layouts.
const version = 2

// Magics of the two.
const (
	magicSummary = "VIGILSU"
	magicEpoch   = "VIGILEP"
)

const sealBytes = len(magicEpoch) + 1 + 16

// seal puts magic, version and checksum around a payload.
func seal(magic string, payload []byte) []byte {
	b := make([]byte, 0, len(payload)+sealBytes)
	b = append(append(b, magic...), version)
	sum := xxh3.Hash128(payload).Bytes()
	return append(append(b, sum[:]...), payload...)
}

// open returns the payload.
func open(magic string, b []byte) (*snapshot.Codec, error) {
	switch {
	case len(b) > BytesMax:
		return nil, fmt.Errorf("%d B, at most %d: %w", len(b), BytesMax, ErrFormat)
	case len(b) < sealBytes || string(b[:len(magic)]) != magic:
		return nil, ErrFormat
	case b[len(magic)] != version:
		return nil, fmt.Errorf("version %d, want %d: %w", b[len(magic)], version, ErrVersion)
	}
	payload := b[sealBytes:]
	sum := xxh3.Hash128(payload).Bytes()
	if string(sum[:]) != string(b[len(magic)+1:sealBytes]) {
		return nil, ErrChecksum
	}
	return snapshot.Reader(payload), nil
}
