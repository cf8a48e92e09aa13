package olap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
	clickhouse "github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// serve answers one request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	fault := s.faultOf(r)
	if s.suffer(fault, w, r) {
		return
	}
	if r.Method == http.MethodGet && (r.URL.Path == "/ping" || r.URL.Path == "/" && r.URL.RawQuery == "") {
		_, _ = io.WriteString(w, "Ok.\n")
		return
	}
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	if !s.authorised(r) {
		fail(w, refuse(codeAuthentication, "Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)"))
		return
	}
	st, err := parse(r)
	if err != nil {
		fail(w, err)
		return
	}
	body, written, err := s.execute(r, st)
	if fault == FaultCut {
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		fail(w, err)
		return
	}
	h := w.Header()
	h.Set("X-ClickHouse-Format", st.format)
	h.Set("X-ClickHouse-Query-Id", r.URL.Query().Get("query_id"))
	h.Set("X-ClickHouse-Summary", `{"written_rows":"`+strconv.FormatUint(written, 10)+`"}`)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) //nolint:gosec // Native blocks or text for a database client on loopback, never a page.
}

// execute runs a statement on a connection of its own, on that connection's thread.
func (s *Server) execute(r *http.Request, st statement) (body []byte, written uint64, err error) {
	c, release, err := s.borrow(r.Context())
	if err != nil {
		return nil, 0, err
	}
	defer release()
	c.thread.do(func() { body, written, err = c.execute(r, st) })
	return body, written, err
}

// execute runs a statement with its database and settings, and leaves the
// connection as it was.
func (c *conn) execute(r *http.Request, st statement) (body []byte, written uint64, err error) {
	if c.database != st.database {
		_, err = c.run("USE `"+strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(st.database)+"`", "Null", nil)
		if err != nil {
			return nil, 0, err
		}
		c.database = st.database
	}
	on, off := set(append([]parameter{
		{"max_memory_usage", strconv.Itoa(MemoryBytesMax)},
		{"max_result_bytes", strconv.Itoa(ResultBytesMax)},
	}, st.settings...))
	_, err = c.run(on, "Null", nil)
	if err == nil {
		if st.insert {
			written, err = c.insertFrom(st, io.LimitReader(data(r), InsertBytesMax+1))
		} else {
			body, err = c.run(st.query, st.format, st.params)
		}
	}
	_, resetErr := c.run(off, "Null", nil)
	if resetErr != nil { // Such as a setting that does not exist: start afresh rather than leak the others.
		err = errors.Join(err, c.reopen())
	}
	if err != nil || st.insert {
		return nil, written, err
	}
	if st.format == "Native" && st.revision > 0 {
		body, err = transcode(body, st.revision)
	}
	if err == nil && st.compress != compress.None {
		body, err = pack(body, st.compress)
	}
	return body, 0, err
}

// insertFrom streams the data into the engine. Data that ends too early is
// cancelled: its blocks would otherwise be committed as if they were all.
func (c *conn) insertFrom(st statement, from io.Reader) (uint64, error) {
	stream, err := c.beginInsert(st.query, st.format)
	if err != nil {
		return 0, err
	}
	chunk, total := make([]byte, appendBytes), 0
	for {
		n, end := fill(from, chunk)
		total += n
		if total > InsertBytesMax {
			stream.cancel()
			return 0, refuse(codeTooLarge, "the data is larger than "+strconv.Itoa(InsertBytesMax)+" B. (TOO_MANY_BYTES)")
		}
		if n > 0 {
			err = stream.write(chunk[:n])
			if err != nil {
				stream.cancel()
				return 0, err
			}
		}
		switch {
		case end == nil:
		case errors.Is(end, io.EOF): // A body that was cut off ends with ErrUnexpectedEOF.
			return stream.done()
		default:
			stream.cancel()
			return 0, refuse(codeCannotReadInput, "read the data: "+end.Error()+". (CANNOT_READ_ALL_DATA)")
		}
	}
}

// fill reads until the chunk is full or the data ends. Unlike io.ReadFull it
// keeps the two ends apart: io.EOF, and what a body that was cut off gives.
func fill(from io.Reader, chunk []byte) (n int, err error) {
	for n < len(chunk) && err == nil {
		var m int
		m, err = from.Read(chunk[n:])
		n += m
	}
	return n, err
}

// transcode turns Native blocks of revision 0, which is what the library
// writes, into those of the revision that the client reads.
func transcode(body []byte, revision uint64) ([]byte, error) {
	in := proto.NewReader(bytes.NewReader(body))
	var out proto.Buffer
	for {
		block := clickhouse.NewBlock()
		err := block.Decode(in, 0)
		if errors.Is(err, io.EOF) && len(block.Columns) == 0 {
			return out.Buf, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decode the engine's block: %w", err)
		}
		if block.Rows() == 0 {
			continue // Its columns have no state prefix, which the encoder would write.
		}
		err = block.Encode(&out, revision)
		if err != nil {
			return nil, fmt.Errorf("encode a block: %w", err)
		}
	}
}

// pack compresses an answer in ClickHouse's frames.
func pack(body []byte, method compress.Method) ([]byte, error) {
	w := compress.NewWriter(compress.LevelZero, method)
	var out []byte
	for len(body) > 0 {
		n := min(len(body), 1<<20)
		err := w.Compress(body[:n])
		if err != nil {
			return nil, fmt.Errorf("compress the answer: %w", err)
		}
		out = append(out, w.Data...)
		body = body[n:]
	}
	return out, nil
}

// fail answers with an error in ClickHouse's form.
func fail(w http.ResponseWriter, err error) {
	var e *Exception
	if !errors.As(err, &e) {
		e = newException(err.Error())
	}
	status := http.StatusInternalServerError
	switch e.Code {
	case codeAuthentication:
		status = http.StatusForbidden
	case codeTooManyQueries:
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
	http.Error(w, e.Text, status)
}
