package revoke

// Sweep does what a follower does once a minute.
func (f *Follower) Sweep() { f.sweep() }
