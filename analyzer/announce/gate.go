package announce

// gate is a lock that is held while Kafka is waited for. Whoever waits for a mutex
// keeps the clock of testing/synctest from moving, and with it the answer that the
// holder waits for; whoever waits for a channel does not.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

// Lock waits until the gate is free and takes it.
func (g gate) Lock() { g <- struct{}{} }

// Unlock gives the gate back.
func (g gate) Unlock() { <-g }
