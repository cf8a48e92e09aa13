package revoke

import (
	"runtime"
	"sync"
	"time"

	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// opening is a line of the verdict file whose signature is checked.
type opening struct {
	at   int64
	keep time.Time
	raw  []byte

	message verdict.Message
	err     error
}

// openings check the signatures of lines on all processors: they are nearly all that
// a start with many verdicts costs. The lines are taken in the order of the file.
type openings struct {
	keys *verdict.KeySet
	take func(*opening)

	waiting []opening
}

// add takes the next line. raw is its caller's again when add has returned.
func (o *openings) add(at int64, keep time.Time, raw []byte) {
	o.waiting = append(o.waiting, opening{at: at, keep: keep, raw: append([]byte(nil), raw...)})
	if len(o.waiting) == openingsMax {
		o.flush()
	}
}

// flush takes all lines that were added.
func (o *openings) flush() {
	workers := min(runtime.GOMAXPROCS(0), len(o.waiting))
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() {
			for i := w; i < len(o.waiting); i += workers {
				one := &o.waiting[i]
				one.message, one.err = o.keys.Open(one.raw)
			}
		})
	}
	work.Wait()
	for i := range o.waiting {
		o.take(&o.waiting[i])
	}
	clear(o.waiting)
	o.waiting = o.waiting[:0]
}
