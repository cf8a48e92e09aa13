// Package fetch reads records of one partition of a topic, without a copy and
// nearly without an allocation for each.
//
//	gateway/revoke, analyzer --Request--> Reader --kafka-go's Transport--> broker
//	                         <--Answer--- batches, in the one piece of memory that came
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
// Answer.Broken, of many the first ones and their number. A wrong checksum is an error,
// since a second read may be right.
//
// # Limits
//
// Whoever may write to a topic writes what he likes, and a broker looks little into it.
// A batch has at most [topic.BatchRecordsMax] records, of [topic.BatchBytesMax] in all,
// as they came and unpacked, with offsets that rise and lie within the batch; one that
// says or unpacks to something else is passed over, however it is packed. Room is made
// for what can be in the bytes that came, never for what is said about them: not for a
// count, a length, a size in the head of a frame or its window. An answer ends with the
// batch at which what is unpacked, and the list of records, take more than four times
// what was asked for, or 32 MiB if that is more; the rest is read again. A reader of
// [NewBounded] has its own number in place of the 32 MiB. So a read takes, whatever is
// in it,
//
//	what came      what was asked for, or one batch of 32 MiB
//	what it is     the more of 32 MiB and four times what was asked for
//	one batch more 32 MiB, of 10 MB of list, and as much again while it is unpacked
//
// and of time that for unpacking as much. How often it is made to is for the quotas of
// who may write.
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
// An answer that is larger than any with a batch that may be read has one that may
// not: its head is enough to pass over it, and the connection ends with it.
//
// kafka-go's codecs make a window or a chunk as large as the data says it needs, 4 GiB
// for twenty bytes. So Zstandard has a reader of its own here, and Snappy's lengths are
// looked through before.
//
// A request that is given up may still be answered: its memory is then nobody's,
// and must not be used again for another.
package fetch
