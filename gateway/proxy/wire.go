package proxy

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455, section 4.2.2, asks for it; it guards nothing.
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/vigil-gateway/vigil/gateway/problem"
)

// connWire takes an HTTP/1.1 connection over and switches its protocol. The
// reader begins with what the client has sent already. The error wraps
// errTakeOver where nothing has been answered yet.
func (x *exchange) connWire(upstream http.Header) (wire, io.Reader, error) {
	conn, pending, err := x.rc.Hijack()
	if err != nil {
		return nil, nil, errors.Join(errTakeOver, err)
	}
	_ = conn.SetDeadline(time.Time{}) // Cleared of the server's; a closed connection fails below.
	h := make(http.Header, len(upstream)+3)
	copyResponseHeader(h, upstream)
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	h.Set(problem.HeaderRequestID, x.call.RequestID)
	b := bytes.NewBufferString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(b) // A buffer never fails.
	b.WriteString("\r\n")
	_, err = conn.Write(b.Bytes())
	if err != nil {
		return conn, nil, fmt.Errorf("switch protocols: %w", err)
	}
	return conn, behind(pending.Reader, conn), nil
}

// behind reads what lies in a buffer, and then what the buffer has read from: its
// memory is not needed any more.
func behind(buffer *bufio.Reader, conn io.Reader) io.Reader {
	n := buffer.Buffered()
	if n == 0 {
		return conn
	}
	b, _ := buffer.Peek(n) // It has them.
	return io.MultiReader(bytes.NewReader(bytes.Clone(b)), conn)
}

// streamWire answers an extended CONNECT (RFC 8441, section 5): status 200, and
// without the proof of a handshake that HTTP/2 does not have.
func (x *exchange) streamWire(upstream http.Header) (wire, io.Reader, error) {
	h := x.w.Header()
	copyResponseHeader(h, upstream)
	h.Del("Sec-Websocket-Accept")
	h.Set(problem.HeaderRequestID, x.call.RequestID)
	x.w.WriteHeader(http.StatusOK)
	s := &stream{ReadCloser: x.r.Body, w: x.w, rc: x.rc}
	err := x.rc.Flush()
	if err != nil {
		return s, nil, fmt.Errorf("answer extended CONNECT: %w", err)
	}
	return s, s, nil
}

// stream is a stream of an HTTP/2 connection as both ends of a tunnel see it. It
// is valid until the handler returns, which ends its writing side.
type stream struct {
	io.ReadCloser

	w  http.ResponseWriter
	rc *http.ResponseController
}

// Write implements io.Writer; nothing is kept back.
func (s *stream) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		return n, fmt.Errorf("write stream: %w", err)
	}
	err = s.rc.Flush()
	if err != nil {
		return n, fmt.Errorf("flush stream: %w", err)
	}
	return n, nil
}

// SetDeadline is that of net.Conn.
func (s *stream) SetDeadline(at time.Time) error {
	return errors.Join(s.rc.SetReadDeadline(at), s.rc.SetWriteDeadline(at))
}

// Close ends what is being read.
func (s *stream) Close() error {
	err := s.rc.SetReadDeadline(past())
	if err != nil {
		return fmt.Errorf("close stream: %w", err)
	}
	return nil
}

// handshakeKey is a Sec-WebSocket-Key (RFC 6455, section 4.1).
func handshakeKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // Never fails.
	return base64.StdEncoding.EncodeToString(b[:])
}

// acceptKey is what a server answers to it (RFC 6455, section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // As above.
	return base64.StdEncoding.EncodeToString(sum[:])
}
