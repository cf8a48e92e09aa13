// Package fetch reads records of one partition of a topic, without a copy and
// nearly without an allocation for each.
//
//	ingest, store --Request--> Reader --kafka-go's Transport--> broker
//	              <--Answer--- batches, in the one piece of memory that came
//
// # Contract
//
// An [Answer] holds the records of whole batches, in their order: also those in
// front of the offset that was asked for, where its batch begins before it. Keys,
// values and headers lie in memory of that answer's own, which nobody writes to
// again: they may be kept, and who keeps a little of one record for long clones it,
// because it holds the memory of them all.
//
// Answer.Next is where to read on, behind what compaction has left of a batch and
// behind the markers of transactions. A batch whose checksum is right and whose
// records cannot be read all the same was written so: it is passed over and told in
// Answer.Broken. A wrong checksum is an error, since a second read may be right.
//
// A broker whose quota a client goes beyond gives it nothing and then answers nothing on
// that connection for a while. Answer.Throttle says how long; it is no fault. Whoever
// reads has to wait as long, which [Throttle] does, counts and logs. The connection is
// closed, so that no other request waits behind it.
//
// # Concurrency
//
// A [Reader] and a [Throttle] are safe for concurrent use; what a Reader returns is the caller's.
//
// # Non-obvious
//
// kafka-go's own fetch makes some twenty allocations for each record, a third of
// what an event costs from Kafka to its score. The way past it is its RawExchanger:
// the transport finds the leader, dials, authenticates, bounds the time, and then
// hands over its connection for one request and its answer.
//
// A request that is given up may still be answered: its memory is then nobody's,
// and must not be used again for another.
package fetch
