package announce

import "time"

// ErrEpoch is what a partition ends with whose epoch is too low.
var ErrEpoch = errEpoch

// RetryPast sets how soon a partition is tried again that could not be read.
func (a *Announcer) RetryPast(d time.Duration) { a.past.retry = d }

// RetryHeld sets how soon what waits is asked for and written again.
func (a *Announcer) RetryHeld(d time.Duration) { a.ledger.retry = d }

// WatchEvery sets how often it is looked for records that were replaced.
func (a *Announcer) WatchEvery(d time.Duration) { a.watchEvery = d }

// StallPast sets how long a partition may be read without a record.
func (a *Announcer) StallPast(d time.Duration) { a.past.stall = d }

// Owed is how many findings and keys the control topic lacks, and whether any do.
func (p *Partition) Owed() (held, gone int, owes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.holding), len(p.unheld), p.unkept
}
