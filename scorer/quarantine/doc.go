// Package quarantine holds back what models would learn until whoever it came
// from has stayed clean.
//
//	event --Offer--> Queue --Next, clean actors only--> model
//
// # Contract
//
// A sample waits for the quarantine of the risk model and is then handed out
// once, oldest first, if its actor is still known, had no verdict and is not
// under suspicion; else it is gone. A queue holds at most [SamplesMax] samples
// and [ActorMax] of one subject, so that nobody can fill it alone, and it is the
// pace of learning: what a queue cannot hold does not teach.
//
// # Concurrency
//
// A Queue belongs to one goroutine.
//
// # Non-obvious
//
// Which events are offered is drawn by the caller's hash. When a queue is full
// it takes half as many, when it runs low twice as many, so that the samples
// are spread over the traffic of the quarantine, not only over its beginning.
package quarantine
