package login

import "sync"

// background is what goes on without anybody who waits for it, until it is closed: a
// request that is still open then may want to begin something, and begins nothing.
type background struct {
	mu     sync.Mutex
	closed bool
	group  sync.WaitGroup
}

// Go runs f, and reports false where it is too late for that.
func (b *background) Go(f func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.group.Go(f)
	}
	return !b.closed
}

// Close lets nothing begin any more and waits for what has begun.
func (b *background) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.group.Wait()
}
