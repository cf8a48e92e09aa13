package access

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// answerBytesMax bounds one answer.
	answerBytesMax = 4 << 20
	// tagsMax bounds the tagged fields that begin an answer: no broker sends any.
	tagsMax = 16
)

var (
	// ErrAnswer means that a broker's answer is not one to what was asked.
	ErrAnswer = errors.New("answer is malformed")
	// ErrLarge means that it is larger than it may be; it wraps [ErrAnswer].
	ErrLarge = fmt.Errorf("too large: %w", ErrAnswer)
)

// Ask sends one request over a connection of [Access.Connect] and reads its
// answer. The error wraps [ErrAnswer] where what comes is none.
func Ask(conn net.Conn, clientID string, req kmsg.Request) (kmsg.Response, error) {
	_, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)).AppendRequest(nil, req, 0))
	if err != nil {
		return nil, err
	}
	body, err := ReadAnswer(conn, answerBytesMax)
	if err != nil {
		return nil, err
	}
	body = body[4:] // The number of the request.
	if req.IsFlexible() {
		body, err = withoutTags(body)
		if err != nil {
			return nil, err
		}
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	err = resp.ReadFrom(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return resp, nil
}

// ReadAnswer reads an answer of at most so many bytes: the number of the request, in
// four bytes, and what it says. The error is that of conn, or wraps [ErrAnswer], or
// [ErrLarge]: then the answer can still be read.
func ReadAnswer(conn io.Reader, most uint32) ([]byte, error) {
	var head [4]byte
	_, err := io.ReadFull(conn, head[:])
	if err != nil {
		return nil, err //nolint:wrapcheck // The connection's own.
	}
	size := binary.BigEndian.Uint32(head[:])
	switch {
	case size < 4:
		return nil, fmt.Errorf("%d B: %w", size, ErrAnswer)
	case size > most:
		return nil, fmt.Errorf("%d B: %w", size, ErrLarge)
	}
	body := make([]byte, size)
	_, err = io.ReadFull(conn, body)
	if err != nil {
		return nil, err //nolint:wrapcheck // As above.
	}
	return body, nil
}

// withoutTags passes over the tagged fields that begin a newer answer: their
// number, then number, length and bytes of each.
func withoutTags(b []byte) ([]byte, error) {
	next := func() (v uint64) {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			b = nil
			return 0
		}
		b = b[n:]
		return v
	}
	for range min(next(), tagsMax) {
		next()
		n := next()
		if n > uint64(len(b)) {
			return nil, ErrAnswer
		}
		b = b[n:]
	}
	return b, nil
}
