// Package state keeps what the scorer knows about a partition on the
// analyzer's own disk, so that a restart goes on where it stopped.
//
//	ingest --Save(header, engine.Snapshot)--> partition-N.state --Load--> engine.Restore --> ingest
//
// # Contract
//
// A file belongs to one partition of one topic and to one offset: the engine in
// it has seen every record below Next and none from Next on. Because scoring is
// a pure function of the records, an engine that is restored and fed from Next
// gives the same bytes as one that never stopped. Two files are kept; when the
// newer one is damaged the older one is used and the damage is counted. A save
// is refused when the file in place was written under a later epoch: a process
// that has lost the partition meanwhile cannot overwrite its successor's state.
//
// # Concurrency
//
// A [Store] is safe for concurrent use for different partitions; one partition
// is saved and loaded by its one owner at a time.
//
// # Non-obvious
//
// The checksum is compared in a pass of its own before a byte reaches the
// engine, so that a damaged file never leaves a half-restored engine behind.
//
// A file that cannot be read because of its version is treated as damaged: the
// state is rebuilt from the topic, which is slower but never wrong.
package state
