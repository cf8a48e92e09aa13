// Package store follows the topics into ClickHouse, in a consumer group and
// with offsets of its own, so that a ClickHouse outage is lag and nothing else.
//
//	vigil.requests, vigil.assessments, vigil.verdicts, vigil.enforcements
//	  └─ worker per partition: gather --declare--> vigil.cuts --insert--> ClickHouse --commit--> group offset
//	                              └─ what cannot be read --> vigil.dead
//
// # Contract
//
// No record is missing and none is double, in a table or in the views on it,
// whatever stops when. A cut is a range of offsets of one partition. It is
// declared in vigil.cuts before it is inserted, with the state of the partition
// before it; the first declaration of a range wins. Each cut is one block per
// table, and its token holds the cut's id, so that ClickHouse drops a block that
// it has. Only then the offset is committed. At assignment the last cut that was
// declared and not committed is done again, exactly.
//
// A repeated record is recognised by the lane positions of its gateway
// ([event.Positions]), a repeated assessment by its source offset; both are the
// state that a cut record carries.
//
// Rows of requests are finished requests and session events. Opens and ticks
// are numbered but are no rows. Tombstones, and numbers that never came, go to
// table losses, so that requests served = rows + losses can be asked of
// ClickHouse alone. How each life of a gateway ends in each of its lanes goes to table
// gateway_epochs: by its last tick, by a later life, or by silence of half a minute on
// the clock of the partition's records; where the whole partition is silent nobody's
// life ends. When a lane was heard is state that a cut carries, so that each end is
// one row, also over a restart. A record that is not believed to be of the gateway that it names
// (package seal) is no row and no loss; table refusals counts it, and batches that
// are missing in a chain, by gateway, key and cause. Where the chains are is part of
// the state that a cut carries. Verdicts are verified before they are stored, heartbeats
// are passed over.
//
// While ClickHouse is down a worker holds one cut and tries again for ever with
// a capped pause; it reads nothing on. No error of ClickHouse drops a row.
//
// What was found is gathered into incidents by whoever owns the first partition of
// vigil.verdicts, out of what is stored: their log is a table like the others, and a
// finding is in it once.
//
// [Dead] is for people: it stores what dead letters say once a version reads
// them, at the record's own position, as of the letter's time. Rows that are
// there already are found by that; a second person at the same moment is stopped
// by the token. The store itself never reads vigil.dead.
//
// # Concurrency
//
// [Store.Run] is called once. One goroutine owns one partition. [Store.Stats]
// may be called at any time.
//
// # Non-obvious
//
// An insert that ran out of time is repeated as it is, with more time: its cut is
// declared, another worker may be inserting it, and ClickHouse may have it already.
// Only the cuts behind it are halved, down to about one read, and grow again when
// ClickHouse keeps up.
//
// A token is forgotten after non_replicated_deduplication_window blocks of its
// table, so a cut must not wait for its second insert while thousands of others
// pass: a partition is taken over within the session timeout, which is seconds.
// Its id, not its offsets alone, is in the token: else a topic that was deleted
// and made again would be dropped as a duplicate of its predecessor. That it is another
// topic its id says, which stands in each cut and is asked for at the start, after a
// fault of reading and after an insert that failed; where the broker gives none, an end
// below what is stored says so. Assessments carry the id of the topic that was scored.
//
// The number of a record that was poison is missing in its lane and is counted
// as such. Its row, once it can be read, is put beside that count: who asks for
// what is missing takes off the numbers that table lane_daily has seen.
//
// On replicated tables an insert waits for most replicas (insert_quorum). The
// token is in Keeper: a block that one replica alone had, and took with it, would
// be dropped as a duplicate when it is sent again.
//
// Where only opens, ticks and heartbeats come, the offset is committed without
// a cut, except once a minute, so that the state is never far behind.
package store
