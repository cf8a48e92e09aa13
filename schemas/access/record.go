package access

import (
	"errors"

	"github.com/segmentio/kafka-go"
)

// Header looks a header of a record up; the first of a name counts.
func Header(headers []kafka.Header, name string) (value []byte, ok bool) {
	for _, h := range headers {
		if h.Key == name {
			return h.Value, true
		}
	}
	return nil, false
}

// Bytes takes a key or value out of the client's buffers, which it releases; nil is
// nil, a value of which is a tombstone.
func Bytes(from kafka.Bytes) ([]byte, error) {
	if from == nil {
		return nil, nil
	}
	b, err := kafka.ReadAll(from)
	return b, errors.Join(err, from.Close())
}
