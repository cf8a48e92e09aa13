package verdict

import (
	"runtime"
	"sync"
)

// openerMax is how many envelopes an [Opener] has in memory while their signatures are
// checked.
const openerMax = 256

// Opener opens many envelopes on all processors: to check their signatures is nearly all
// that reading them costs. What they say is taken in their order. T is what the caller
// knows of each. Not safe for concurrent use.
type Opener[T any] struct {
	// Keys are those of which any may have signed.
	Keys *KeySet
	// Take is called with each envelope, by the goroutine that calls Add or Flush.
	Take func(record []byte, of T, m Message, err error)

	waiting []opening[T]
}

// opening is an envelope whose signature is checked.
type opening[T any] struct {
	record  []byte
	of      T
	message Message
	err     error
}

// Add opens the next envelope, which must not be changed until it is taken: by a later
// Add, or Flush.
func (o *Opener[T]) Add(record []byte, of T) {
	o.waiting = append(o.waiting, opening[T]{record: record, of: of})
	if len(o.waiting) == openerMax {
		o.Flush()
	}
}

// Flush takes all that were added.
func (o *Opener[T]) Flush() {
	workers := min(runtime.GOMAXPROCS(0), len(o.waiting))
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() {
			for i := w; i < len(o.waiting); i += workers {
				one := &o.waiting[i]
				one.message, one.err = o.Keys.Open(one.record)
			}
		})
	}
	work.Wait()
	for i := range o.waiting {
		one := &o.waiting[i]
		o.Take(one.record, one.of, one.message, one.err)
	}
	clear(o.waiting)
	o.waiting = o.waiting[:0]
}
