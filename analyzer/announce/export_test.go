package announce

import "time"

// ErrEpoch is what a partition ends with whose epoch is too low.
var ErrEpoch = errEpoch

// RetryPast sets how soon a partition is tried again that could not be read.
func (a *Announcer) RetryPast(d time.Duration) { a.past.retry = d }

// StallPast sets how long a partition may be read without a record.
func (a *Announcer) StallPast(d time.Duration) { a.past.stall = d }
