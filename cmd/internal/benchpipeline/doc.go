// Package benchpipeline measures what an event costs on its way from Kafka to a
// verdict and to a row.
//
//	life ─► records ─produce─► broker ─fetch─► ingest (both stages) ─► vigil.assessments
//	                             │                                          │
//	                             └───────────────fetch──────────────────────┴─► store ─► ClickHouse
//
// # Contract
//
// Broker and ClickHouse are processes of their own, so a stage's CPU is that of
// the analyzer's own code with its client for Kafka; what the two took meanwhile
// stands beside it. A stage runs alone and on one core. Beside the product's
// stages stand those of the bare client on the same records in the same run, and
// ratios are to these.
//
// # Concurrency
//
// Nothing here is safe for concurrent use; a measurement wants the processor for
// itself.
//
// # Non-obvious
//
// Events per second are one over CPU time, not over the time on the wall: the
// machine is shared, and a stage that waits for the broker is not slow.
//
// Records are those of simulated people with attackers among them, filled up to
// the names and sizes that a gateway writes, and sealed in its full batches; both
// paths verify them. The engine has lived with the
// same people before, as one that has run for a while.
package benchpipeline
