// Package state keeps what the scorer knows about a partition on the analyzer's
// own disk and in an archive that all analyzers share, so that a restart, and
// whoever takes the partition over, goes on where it stopped.
//
//	ingest --Save-----> partition-N.state --Find------> Restore --> ingest
//	       --Reserve, Offer--> Run --> archive --FindArchived--^
//	partition-N.state of a standby <--Copy--'
//
// # Contract
//
// A snapshot belongs to one partition of one topic and to one offset: the engine
// in it has seen every record below Next and none from Next on. Because scoring is
// a pure function of the records, an engine that is restored and fed from Next
// gives the same bytes as one that never stopped. Two are kept, on disk and in the
// archive; when the newer one is damaged the older one is used and the damage is
// counted. A save is refused when what is in place was written under a later epoch:
// a process that has lost the partition meanwhile cannot overwrite its successor's
// state.
//
// Whom the engine has no room for is in the partition's cold store (package cold),
// and the header of a snapshot on this disk has its mark. The law above holds with
// it: as many entities are known as the bound allows, and which they are follows from
// the records. It ends where a partition moves: another analyzer has the archive's
// snapshot and not the store, and begins an empty one; so does whoever replays the
// topic, from whose beginning the store is filled again.
//
// The archive is written beside the work, one snapshot at a time in a process,
// and is asked only by who has no state of his own that is as good. Each question
// is bounded by archive_wait: an archive that is down or slow costs a longer
// replay and delays nothing else.
//
// A standby copies the archive's snapshots to its own disk ([Store.Copy]), where they
// are found as its own are. They are whole and checked before they are found, and fence
// nobody: their epochs are the archive's word alone.
//
// # Concurrency
//
// A [Store] is safe for concurrent use for different partitions; one partition
// is saved and loaded by its one owner at a time, who says so with [Store.Own]: no copy
// takes a place among its files meanwhile. [Store.Run] is called once.
//
// # Non-obvious
//
// The checksum is compared before a byte reaches the engine, so that a damaged
// file never leaves a half-restored engine behind.
//
// A file that cannot be read because of its version is treated as damaged: the
// state is rebuilt from the topic, which is slower but never wrong.
//
// A body that was offered or found is read in place and never copied: a million
// entities are gigabytes.
package state
