package upstream

import (
	"maps"
	"sync"
)

// OtherPaths is the ledger's entry for paths beyond [PathsMax].
const OtherPaths = "(other)"

// Ledger counts what was served, apart from anybody else's books. The zero
// value is empty and ready; it is safe for concurrent use.
type Ledger struct {
	mu    sync.Mutex
	paths map[string]uint64
	total uint64
	open  int
}

// Total is the number of requests that were served.
func (l *Ledger) Total() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// Paths returns a copy of the counts by path.
func (l *Ledger) Paths() map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.paths)
}

// Open is the number of requests that are being served now.
func (l *Ledger) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// enter counts a request; the caller calls leave when its handler is done.
func (l *Ledger) enter(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paths == nil {
		l.paths = make(map[string]uint64)
	}
	if _, known := l.paths[path]; !known && len(l.paths) >= PathsMax {
		path = OtherPaths
	}
	l.paths[path]++
	l.total++
	l.open++
}

func (l *Ledger) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
}
