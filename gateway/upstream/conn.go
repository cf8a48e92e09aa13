package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"syscall"
	"time"
)

// conn is one connection. Between take or newConn and put it has one user.
type conn struct {
	client *Client
	pool   *pool
	net    net.Conn
	raw    syscall.RawConn // Nil where the connection has no descriptor.
	in     *bufio.Reader
	head   []byte // Of the header that is being read.
	since  time.Time

	reused     bool
	unanswered bool // The last exchange ended before a byte of an answer, on a connection of the pool.
	interrupt  func()
	peek       func(fd uintptr)
	silent     bool // What peek has found.
}

func newConn(c *Client, p *pool, n net.Conn) *conn {
	out := &conn{client: c, pool: p, net: n, in: bufio.NewReaderSize(n, readBufferBytes)}
	s, ok := n.(syscall.Conn)
	if ok {
		raw, err := s.SyscallConn()
		if err == nil { // Else the connection is closed already, and its use will say so.
			out.raw = raw
		}
	}
	out.interrupt = func() { _ = out.net.SetDeadline(past()) } // A closed connection needs none.
	out.peek = func(fd uintptr) { out.silent = nothingToRead(fd) }
	return out
}

// quiet reports whether nothing has come on an idle connection, not even its
// end.
func (c *conn) quiet() bool {
	if c.raw == nil {
		return false
	}
	c.silent = false
	err := c.raw.Control(c.peek)
	return err == nil && c.silent
}

// exchange sends a request and reads the header of its response. On an error the
// connection is closed and its place free.
func (c *conn) exchange(ctx context.Context, r *http.Request, request []byte) (*http.Response, error) {
	c.unanswered = false
	stop := afterEnd(ctx, c.interrupt)
	res, err := c.ask(r, request)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		stop()
		c.drop()
		return nil, orCause(ctx, err)
	}
	c.reused = true
	b := &body{conn: c, stop: stop, response: res, reuse: keeps(res)}
	err = b.open()
	if err == nil && !b.here() { // Else nothing is waited for, and the next request has a deadline of its own.
		err = c.deadline(ctx, time.Time{})
	}
	if err != nil {
		b.end(false)
		return nil, orCause(ctx, err)
	}
	return res, nil
}

// teller is a context that tells of its end in a cheaper way than [context.AfterFunc]
// has, and means the same.
type teller interface {
	AfterEnd(f func()) (stop func() bool)
}

func afterEnd(ctx context.Context, f func()) (stop func() bool) {
	if t, ok := ctx.(teller); ok {
		return t.AfterEnd(f)
	}
	return context.AfterFunc(ctx, f)
}

// orCause is why the context has ended, where it has, else err.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("call upstream: %w", context.Cause(ctx))
	}
	return err
}

// deadline sets one, unless the context has ended: the deadline by which that
// ends what is under way may just have been taken away.
func (c *conn) deadline(ctx context.Context, at time.Time) error {
	err := c.net.SetDeadline(at)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("call upstream: %w", err)
	}
	return nil
}

// ask writes the request, and reads headers until one is that of the answer.
func (c *conn) ask(r *http.Request, request []byte) (*http.Response, error) {
	err := c.deadline(r.Context(), c.client.o.Now().Add(c.client.o.HeaderTimeout))
	if err != nil {
		return nil, err
	}
	_, err = c.net.Write(request)
	if err != nil {
		c.unanswered = c.reused && !late(err)
		return nil, fmt.Errorf("send request: %w", err)
	}
	_, err = c.in.Peek(1)
	if err != nil {
		c.unanswered = c.reused && !late(err)
		return nil, errEnded(err)
	}
	for range informationalMax + 1 {
		err = c.speaks()
		if err != nil {
			return nil, err
		}
		text, err := c.readHead(c.client.o.HeaderBytesMax)
		if err != nil {
			return nil, err
		}
		res, err := parseHead(text)
		if err != nil {
			return nil, err
		}
		if res.StatusCode == http.StatusSwitchingProtocols {
			return nil, errors.New("malformed HTTP response: it switches protocols, which nobody has asked for")
		}
		if res.StatusCode >= http.StatusOK {
			res.Request = r
			return res, nil
		}
	}
	return nil, errors.New("malformed HTTP response: too many informational ones")
}

// version is how every answer begins.
const version = "HTTP/1."

// speaks checks how an answer begins: what speaks another protocol may never end
// a header.
func (c *conn) speaks() error {
	begin, err := c.in.Peek(len(version))
	if !strings.HasPrefix(version, string(begin)) {
		return fmt.Errorf("malformed HTTP response: it begins with %q", begin)
	}
	if err != nil {
		return errEnded(err)
	}
	return nil
}

// late reports whether an error is a deadline's.
func late(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// drop closes a connection that is in use.
func (c *conn) drop() {
	_ = c.net.Close()
	c.pool.leave()
}

// keeps reports whether the service keeps the connection open after a response.
func keeps(res *http.Response) bool {
	if res.ProtoMinor == 0 {
		return hasToken(res.Header["Connection"], "keep-alive") && !hasToken(res.Header["Connection"], "close")
	}
	return !hasToken(res.Header["Connection"], "close")
}

// body is a response's. It is done with its connection when it has been read to
// its end, or closed.
type body struct {
	conn     *conn
	stop     func() bool // Ends the watch over the request's context.
	response *http.Response
	reuse    bool

	left    int64     // Bytes to come, -1 for as many as there are.
	chunked io.Reader // Nil where the body has a length or ends with the connection.
	ended   bool
	err     error // What later reads return.
}

// open finds out how long the body is (RFC 9112, section 6.3) and puts it into
// the response.
func (b *body) open() error {
	res := b.response
	length, chunked, err := framing(res)
	if err != nil {
		return err
	}
	res.ContentLength, b.left = length, length
	if res.StatusCode == http.StatusNoContent || res.StatusCode == http.StatusNotModified {
		res.ContentLength = 0 // What the header says is about another response.
	}
	if bodiless(res) || length == 0 {
		res.Body = http.NoBody
		b.reuse = b.reuse && length <= 0 && !chunked // What it announces may come all the same.
		b.end(true)
		return nil
	}
	if chunked {
		b.chunked = httputil.NewChunkedReader(b.conn.in)
		err = announceTrailer(res)
		if err != nil {
			return err
		}
	} else if length < 0 {
		b.reuse, res.Close = false, true
	}
	res.Body = b
	return nil
}

// bodiless reports whether a response has no body, whatever its header says.
func bodiless(res *http.Response) bool {
	return res.Request.Method == http.MethodHead || res.StatusCode == http.StatusNoContent || res.StatusCode == http.StatusNotModified
}

// here reports whether all of the body has come already. The connection may be
// another request's then.
func (b *body) here() bool {
	return b.ended || b.left >= 0 && int64(b.conn.in.Buffered()) >= b.left
}

// Read reads from the connection; the last bytes come with io.EOF.
func (b *body) Read(p []byte) (int, error) {
	if b.ended {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if b.chunked != nil {
		return b.readChunked(p)
	}
	if b.left >= 0 && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.conn.in.Read(p)
	if b.left >= 0 {
		b.left -= int64(n)
		if b.left == 0 {
			b.end(true)
			return n, io.EOF
		}
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && b.left < 0:
		b.end(false)
		return n, io.EOF
	}
	b.err = errEnded(err)
	b.end(false)
	return n, b.err
}

func (b *body) readChunked(p []byte) (int, error) {
	n, err := b.chunked.Read(p)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		err = b.readTrailer()
		if err == nil {
			b.end(true)
			return n, io.EOF
		}
	}
	b.err = errEnded(err)
	b.end(false)
	return n, b.err
}

// readTrailer reads what follows the last chunk.
func (b *body) readTrailer() error {
	text, err := b.conn.readHead(trailerBytesMax)
	if err != nil {
		return err
	}
	if bytes.Count(b.conn.head, []byte("\n")) != bytes.Count(b.conn.head, []byte("\r\n")) {
		return errors.New("malformed HTTP response: a line of the trailer ends with LF alone") // As net/http has it.
	}
	h, err := parseFields(text)
	if err != nil {
		return err
	}
	for name, values := range h {
		if forbiddenTrailer(name) {
			return fmt.Errorf("malformed HTTP response: %s stands in the trailer", name)
		}
		if b.response.Trailer == nil {
			b.response.Trailer = make(http.Header, len(h))
		}
		b.response.Trailer[name] = values
	}
	return nil
}

// Close gives the connection back, or closes it where the body has not been read.
func (b *body) Close() error {
	if !b.ended {
		b.err = http.ErrBodyReadAfterClose
		b.end(false)
	}
	return nil
}

// end is the end of the body: whole, or given up.
func (b *body) end(whole bool) {
	b.ended = true
	if b.err == nil {
		b.err = io.EOF
	}
	c := b.conn
	unwatched := b.stop() // False where a deadline has been set, or is just being.
	if !whole || !unwatched || !b.reuse || c.in.Buffered() > 0 || c.raw == nil || c.client.shut() {
		c.drop()
		return
	}
	c.pool.put(c)
	c.pool.leave()
}
