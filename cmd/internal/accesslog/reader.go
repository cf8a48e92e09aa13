package accesslog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// LineBytesMax bounds a line: a web server cuts requests at 8 KiB or so.
const LineBytesMax = 1 << 20

// LineError says why a line was not read.
type LineError struct {
	Line int // From 1.
	Err  error
}

// Error is the line's number and the reason.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Err) }

// Unwrap is the reason.
func (e *LineError) Unwrap() error { return e.Err }

// Reader reads one log.
type Reader struct {
	tenant string
	in     *bufio.Reader
	line   int
}

// NewReader reads a log for a tenant.
func NewReader(r io.Reader, tenant string) *Reader {
	return &Reader{tenant: tenant, in: bufio.NewReaderSize(r, 64<<10)}
}

// Line is the number of the line that Next read last, from 1.
func (r *Reader) Line() int { return r.line }

// Next reads the next line into e, which it resets first. The error is
// [io.EOF] at the end, a [*LineError] for a line that is not one of an access
// log, or that of the input.
func (r *Reader) Next(e *event.RequestEvent) error {
	for {
		text, err := r.read()
		if err != nil {
			return err
		}
		if r.line == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if strings.TrimSpace(text) == "" {
			continue
		}
		e.Reset()
		err = Parse(text, e)
		if err != nil {
			return &LineError{Line: r.line, Err: err}
		}
		e.Tenant = r.tenant
		e.Id = fmt.Sprintf("line-%d", r.line)
		return nil
	}
}

// read returns a line without its end. A line that is too long is skipped as
// a whole and reported.
func (r *Reader) read() (string, error) {
	var line []byte
	tooLong := false
	for {
		part, err := r.in.ReadSlice('\n')
		if len(line)+len(part) > LineBytesMax {
			tooLong = true
		} else {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read log: %w", err)
		}
		if err != nil && len(line) == 0 && !tooLong {
			return "", io.EOF
		}
		break
	}
	r.line++
	if tooLong {
		return "", &LineError{Line: r.line, Err: fmt.Errorf("longer than %d B", LineBytesMax)}
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}
