package olap

import "runtime"

// behind is by how much the engine's threads are nicer than the rest of the process.
const behind = 10

// thread runs functions one after the other on a thread of its own that yields to
// the rest of the process: a row that is stored a moment later harms nobody, a
// verdict that waits for a core does. Threads that the engine starts from there
// inherit that. close ends it.
type thread struct{ work chan func() }

func newThread() thread {
	t := thread{work: make(chan func())}
	go func() {
		runtime.LockOSThread() // For ever: the thread ends with this function, and its priority with it.
		yield(behind)
		for f := range t.work {
			f()
		}
	}()
	return t
}

// do runs f and waits for it. A panic in f is the caller's.
func (t thread) do(f func()) {
	done := make(chan any, 1)
	t.work <- func() {
		defer func() { done <- recover() }()
		f()
	}
	if fault := <-done; fault != nil {
		panic(fault)
	}
}

func (t thread) close() { close(t.work) }
