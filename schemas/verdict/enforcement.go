package verdict

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// EnforcementBytesMax bounds one record of vigil.enforcements, which has
// about 400 B.
const EnforcementBytesMax = 64 << 10

// ErrEnforcement means that a record is not an enforcement.
var ErrEnforcement = errors.New("malformed enforcement")

// DecodeEnforcement reads a record of vigil.enforcements. The error wraps
// [ErrEnforcement].
func DecodeEnforcement(record []byte) (*Enforcement, error) {
	if len(record) > EnforcementBytesMax {
		return nil, fmt.Errorf("record of %d B is larger than %d: %w", len(record), EnforcementBytesMax, ErrEnforcement)
	}
	e := new(Enforcement)
	err := proto.Unmarshal(record, e) // Stricter than the fast decoder: UTF-8, well-formed groups.
	if err != nil {
		return nil, fmt.Errorf("decode record: %w: %w", ErrEnforcement, err)
	}
	if e.Time == nil || !e.Time.IsValid() {
		return nil, fmt.Errorf("time is missing or out of range: %w", ErrEnforcement)
	}
	return e, nil
}
