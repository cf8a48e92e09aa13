// Package judge adds evidence up over a session and decides what to ask for.
//
//	[]evidence.Finding --> Weigh --> score --> Step (CUSUM) --> ladder --> Proposal
//
// # Contract
//
// The nats of the weighed evidence sum to the score. A proposal is a function
// of the records alone; its id of topic, partition, offset and target. Only
// evidence whose ceiling allows an action counts towards revoke and block; hard
// facts floor a revoke.
//
// # Concurrency
//
// Nothing here is safe for concurrent use; one engine owns its state.
//
// # Non-obvious
//
// The same fact seen in request after request counts once: a signal adds to the
// suspicion only by how far it exceeds its own decayed peak. Signals that renew
// are fresh samples in each block of a session and count once per block.
package judge
