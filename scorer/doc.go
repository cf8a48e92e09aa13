// Package scorer is the brain: it turns events into assessments and proposals,
// as a pure function of the records and their order.
//
//	Record --> clock, lanes --> entity --> evidence --> judge --> Result (Assessment, Proposals)
//
// # Contract
//
// The same records in the same order give byte-equal results, whatever the
// machine, the day, or the number of restarts from a snapshot in between. There
// is no I/O but Snapshot and Restore, no wall clock and no goroutine. State is
// bounded by the model's limits; the least recently used go first, in record
// order. An assessment is the engine's own memory, valid until the next record;
// of an event the engine keeps nothing, not even a text.
//
// In a steady state, where who comes pushes somebody out and what grows has grown,
// scoring and explaining allocate nothing but one copy of the name of who comes: an
// entity takes the memory of the one before it. A verdict is the caller's and
// allocates; so does a value that is new to a habit.
//
// # Concurrency
//
// An Engine belongs to one partition and one goroutine.
//
// # Non-obvious
//
// A session teaches nothing until it has stayed clean for the model's
// quarantine, and a session with a verdict never does: a thief must not become
// a habit. Records that were seen before change nothing, not even the clock.
//
// Of a subject with more sessions than can wait to teach, as a service has that
// fetches a token for each request, some teach him and none the tenant: what he does
// is a habit, and no flood is one of his neighbours'.
//
// An event that shows neither session, subject nor address is nobody's: it is judged
// alone, nothing of it is kept, and no verdict is about it.
package scorer
