package ingest

import (
	"context"
	"fmt"
	"time"
)

// patiently waits for what writes to the disk, for as long as a rebalance has left when
// the effects had their time; and not at all while something is still under way that was
// given up. So a disk that hangs keeps neither a partition from others nor the process
// from its end: what was to be written has no effect but a longer replay.
func (i *Ingest) patiently(ctx context.Context, what string, do func()) {
	done := make(chan struct{})
	go func() {
		do()
		close(done)
	}()
	wait := i.o.Config.RebalanceTimeout - i.o.Config.Drain
	if i.hanging.Load() > 0 {
		wait = 0
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		i.hanging.Add(1)
		go func() {
			<-done
			i.hanging.Add(-1)
		}()
		i.fault(ctx, "disk", fmt.Errorf("%s: not done within %v, the disk hangs: given up", what, wait))
	}
}
