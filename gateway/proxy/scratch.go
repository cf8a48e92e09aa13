package proxy

import "sync"

// scratch is a copy buffer that is small while little moves: most streams are
// idle most of the time, and must not hold what a download needs. The zero value
// with a pool is small, and takes no memory before it is used.
type scratch struct {
	pool  *sync.Pool // Of *[bufferBytes]byte.
	large *[bufferBytes]byte
	small []byte // Nil before it is needed.
}

// bytes is the buffer of this moment.
func (s *scratch) bytes() []byte {
	if s.large != nil {
		return s.large[:]
	}
	if s.small == nil {
		s.small = make([]byte, idleBytes)
	}
	return s.small
}

// next makes the buffer fit what moves, where n bytes of it were in use, and puts
// rest, which lies in it, at its beginning. It returns how many bytes that are.
func (s *scratch) next(n int, rest []byte) int {
	switch {
	case s.large == nil && n == idleBytes:
		s.grow()
	case s.large != nil && n <= idleBytes && len(rest) < idleBytes:
		large := s.large
		s.large = nil
		held := copy(s.bytes(), rest)
		s.pool.Put(large)
		return held
	}
	return copy(s.bytes(), rest)
}

// grow takes a large buffer.
func (s *scratch) grow() {
	s.large = s.pool.Get().(*[bufferBytes]byte) //nolint:forcetypeassert // The pool holds nothing else.
}

// free gives a large buffer back.
func (s *scratch) free() {
	if s.large != nil {
		s.pool.Put(s.large)
		s.large = nil
	}
}
