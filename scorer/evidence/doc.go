// Package evidence turns an event and what is known about its actor into named
// evidence, in nats.
//
//	(event, entity state) --> Collect --> []Finding --> judge
//
// # Contract
//
// The catalogue lists every signal with its group, formula, needs, innocent
// story and technique. A finding is finite, and positive
// but for the reassurance of a proof. An absent field is
// missing evidence: the signal is silent, never a zero observation. Signals
// read habits and write only what the session itself has done; habits are
// taught elsewhere, later.
//
// # Concurrency
//
// Nothing here is safe for concurrent use; one engine owns its state.
//
// # Non-obvious
//
// Chains are conditional, so that one fact is counted once: a network is not
// news in a country that is, nor a device in a client family that is.
//
// A peer group changes what is usual among others, and nothing of how much anybody
// may do: rates, bytes and walks are compared with the tenant, whatever the group.
package evidence
