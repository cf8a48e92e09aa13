package proxy

import "sync"

// scratch is a copy buffer that is small while little moves: most streams are
// idle most of the time, and must not hold what a download needs. The zero value
// with a pool is small.
type scratch struct {
	pool  *sync.Pool // Of *[bufferBytes]byte.
	large *[bufferBytes]byte
	small [idleBytes]byte
}

// bytes is the buffer of this moment.
func (s *scratch) bytes() []byte {
	if s.large != nil {
		return s.large[:]
	}
	return s.small[:]
}

// next makes the buffer fit what moves, where n bytes of it were in use, and puts
// rest, which lies in it, at its beginning. It returns how many bytes that are.
func (s *scratch) next(n int, rest []byte) int {
	switch {
	case s.large == nil && n == len(s.small):
		s.grow()
	case s.large != nil && n <= len(s.small) && len(rest) < len(s.small):
		held := copy(s.small[:], rest)
		s.free()
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
