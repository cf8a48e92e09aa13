package olap

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library holds the functions of libchdb that the server calls. Handles are
// addresses in C's memory, opaque to Go.
type library struct {
	setSignals func(enabled int32)
	connect    func(argc int32, argv *unsafe.Pointer) unsafe.Pointer
	closeConn  func(conn unsafe.Pointer)

	query func(conn uintptr, query *byte, queryLen uintptr, format *byte, formatLen uintptr,
		names **byte, nameLens *uintptr, values **byte, valueLens *uintptr, count uintptr) uintptr
	destroyResult func(result uintptr)
	resultBuffer  func(result uintptr) unsafe.Pointer
	resultLength  func(result uintptr) uintptr
	resultWritten func(result uintptr) uint64
	resultError   func(result uintptr) string

	insert        func(conn uintptr, query *byte, queryLen uintptr, format *byte, formatLen uintptr) uintptr
	insertError   func(stream uintptr) string
	appendData    func(stream uintptr, data *byte, n uintptr) int32
	insertDone    func(stream uintptr) uintptr
	insertCancel  func(stream uintptr)
	destroyInsert func(stream uintptr)
}

// loaded keeps the one library of the process: dlopen of a second path would
// bring a second engine with its own allocator.
//
//nolint:gochecknoglobals // libchdb is one per process by its own rule.
var loaded struct {
	sync.Mutex
	path string
	lib  *library
}

// load opens libchdb and turns its signal handlers off, which must come before
// any other call: they would replace the Go runtime's.
func load(path string) (*library, error) {
	loaded.Lock()
	defer loaded.Unlock()
	if loaded.lib != nil {
		if path != loaded.path {
			return nil, fmt.Errorf("library %s is loaded already, one process can hold one", loaded.path)
		}
		return loaded.lib, nil
	}
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("open library (\"make engines\" fetches it): %w", err)
	}
	lib := new(library)
	for _, f := range []struct {
		name string
		ptr  any
	}{
		{"chdb_set_signal_handlers_enabled", &lib.setSignals},
		{"chdb_connect", &lib.connect},
		{"chdb_close_conn", &lib.closeConn},
		{"chdb_query_with_params_n", &lib.query},
		{"chdb_destroy_query_result", &lib.destroyResult},
		{"chdb_result_buffer", &lib.resultBuffer},
		{"chdb_result_length", &lib.resultLength},
		{"chdb_result_rows_written", &lib.resultWritten},
		{"chdb_result_error", &lib.resultError},
		{"chdb_stream_insert_n", &lib.insert},
		{"chdb_stream_insert_error", &lib.insertError},
		{"chdb_stream_append", &lib.appendData},
		{"chdb_stream_done", &lib.insertDone},
		{"chdb_stream_cancel_insert", &lib.insertCancel},
		{"chdb_destroy_insert_stream", &lib.destroyInsert},
	} {
		sym, err := purego.Dlsym(handle, f.name)
		if err != nil {
			return nil, fmt.Errorf("library %s lacks %s: %w", path, f.name, err)
		}
		purego.RegisterFunc(f.ptr, sym)
	}
	lib.setSignals(0)
	loaded.path, loaded.lib = path, lib
	return lib, nil
}

// conn is one connection to the engine: one statement at a time.
type conn struct {
	lib    *library
	holder unsafe.Pointer
	handle uintptr

	args     []string
	database string // What the last USE set.
	thread   thread // Where all of the connection happens, once it is [dial]ed.
}

// dial opens a connection on a thread of its own.
func (l *library) dial(args []string) (c *conn, err error) {
	t := newThread()
	t.do(func() { c, err = l.open(args) })
	if err != nil {
		t.close()
		return nil, err
	}
	c.thread = t
	return c, nil
}

// hangUp ends a connection that was dialed.
func (c *conn) hangUp() {
	c.thread.do(c.close)
	c.thread.close()
}

// open connects to the engine, booting it on the first call of the process.
//
//nolint:gosec // C takes addresses; everything they point to is kept alive over the call.
func (l *library) open(args []string) (*conn, error) {
	argv := make([]unsafe.Pointer, 0, len(args)+2)
	for _, a := range append([]string{"clickhouse"}, args...) {
		text := append([]byte(a), 0)
		argv = append(argv, unsafe.Pointer(&text[0]))
	}
	argc := len(argv)
	argv = append(argv, nil)
	holder := l.connect(int32(argc), &argv[0])
	runtime.KeepAlive(argv)
	if holder == nil {
		return nil, errors.New("connect to the engine: refused; another process may hold the directory")
	}
	return &conn{lib: l, holder: holder, handle: *(*uintptr)(holder), args: args, database: "default"}, nil
}

// reopen replaces the connection by one without any settings of its own. The
// old one is closed last, so that the engine does not end in between.
func (c *conn) reopen() error {
	fresh, err := c.lib.open(c.args)
	if err != nil {
		return err
	}
	c.close()
	fresh.thread = c.thread
	*c = *fresh
	return nil
}

func (c *conn) close() { c.lib.closeConn(c.holder) }

// parameter is one value of a {name:Type} placeholder, in ClickHouse's escaped text.
type parameter struct{ name, value string }

// run executes one statement and returns the result in a format. The error is
// an [*Exception] where the engine refused.
//
//nolint:gosec // C takes addresses; everything they point to is kept alive over the call.
func (c *conn) run(query, format string, params []parameter) ([]byte, error) {
	names, nameLens := make([]*byte, len(params)+1), make([]uintptr, len(params)+1)
	values, valueLens := make([]*byte, len(params)+1), make([]uintptr, len(params)+1)
	for i, p := range params {
		names[i], nameLens[i] = unsafe.StringData(p.name), uintptr(len(p.name))
		values[i], valueLens[i] = unsafe.StringData(p.value), uintptr(len(p.value))
		if p.value == "" {
			values[i] = new(byte) // Not null: an empty string is a value.
		}
	}
	result := c.lib.query(c.handle, unsafe.StringData(query), uintptr(len(query)),
		unsafe.StringData(format), uintptr(len(format)),
		&names[0], &nameLens[0], &values[0], &valueLens[0], uintptr(len(params)))
	runtime.KeepAlive(query)
	runtime.KeepAlive(format)
	runtime.KeepAlive(params)
	runtime.KeepAlive(names)
	runtime.KeepAlive(values)
	body, _, err := c.take(result)
	return body, err
}

// take copies a result out of C's memory and frees it.
//
//nolint:gosec // The buffer is the library's until destroyResult, which comes after the copy.
func (c *conn) take(result uintptr) (body []byte, written uint64, err error) {
	if result == 0 {
		return nil, 0, errors.New("the engine gave no result")
	}
	defer c.lib.destroyResult(result)
	text := c.lib.resultError(result)
	if text != "" {
		return nil, 0, newException(text)
	}
	n := c.lib.resultLength(result)
	if n > 0 {
		body = append(body, unsafe.Slice((*byte)(c.lib.resultBuffer(result)), n)...)
	}
	return body, c.lib.resultWritten(result), nil
}

// insertStream is an INSERT under way. Exactly one of done and cancel ends it.
type insertStream struct {
	c      *conn
	handle uintptr
}

// beginInsert starts an INSERT whose text carries no FORMAT clause: with the
// clause the engine would look for the data in the text.
//
//nolint:gosec // C takes addresses; everything they point to is kept alive over the call.
func (c *conn) beginInsert(query, format string) (*insertStream, error) {
	handle := c.lib.insert(c.handle, unsafe.StringData(query), uintptr(len(query)),
		unsafe.StringData(format), uintptr(len(format)))
	runtime.KeepAlive(query)
	runtime.KeepAlive(format)
	s := &insertStream{c: c, handle: handle}
	text := c.lib.insertError(handle)
	if text != "" {
		c.lib.destroyInsert(handle)
		return nil, newException(text)
	}
	return s, nil
}

// write pushes one chunk; the engine copies it, and blocks while it is behind.
//
//nolint:gosec // C takes an address; the chunk is kept alive over the call.
func (s *insertStream) write(chunk []byte) error {
	state := s.c.lib.appendData(s.handle, unsafe.SliceData(chunk), uintptr(len(chunk)))
	runtime.KeepAlive(chunk)
	if state == 0 {
		return nil
	}
	return newException(s.c.lib.insertError(s.handle))
}

// done commits and returns how many rows were written; dropped duplicates and
// rows of materialised views count too.
func (s *insertStream) done() (uint64, error) {
	defer s.c.lib.destroyInsert(s.handle)
	_, written, err := s.c.take(s.c.lib.insertDone(s.handle))
	return written, err
}

// cancel ends the insert without committing what is not flushed yet; a single
// block leaves nothing behind.
func (s *insertStream) cancel() {
	s.c.lib.insertCancel(s.handle)
	s.c.lib.destroyInsert(s.handle)
}
