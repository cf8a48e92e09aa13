// Package revoke brings every verdict to this gateway, from Kafka, from the
// file of the last run and from the admin port, and hands over only what is
// signed, live and newer than what it had.
//
//	topic "vigil.verdicts", all partitions, no group --+
//	verdicts.log (last run) ---------------------------+--> verify --> newest per key --> session.Table.Apply
//	admin port --Accept--------------------------------+                  |
//	                                                                      +--> verdicts.log (fsync in the background)
//
// # Contract
//
// A record that is not signed by a key of the key set for its authority has no
// effect but a counter. Of the records of one tenant, target and authority only
// a later (epoch, seq) than the last one has an effect, also across restarts:
// the file keeps the newest record of a key for as long as any record of that
// key could still be live, so that an old one cannot be played back.
//
// A heartbeat is believed where it is signed, later than the last one of its
// partition, and claims nothing that was not emitted; another moves nothing. What it
// says is passed on after every verdict before it in its partition is in force.
//
// The key set is replaced by a later one only. What is signed by a key that has ended
// has no effect any more; what took effect before stays, and comes again under the
// next key, at the same place in the order. What was signed by a key that is listed no
// longer is taken back. With each new key set the topic is read again: some of it may
// have been refused for a key that was not known.
//
// What cuts does so whatever this gateway's clock says, with an alarm where it is dated
// ahead: at the admin port in force until the next start, and never above what its
// operator says later by a right clock. What restores waits for its date.
//
// The analyzer's verdicts end at most a share of the sessions that are known here
// ([Fuse]); the rest is neither applied nor kept, and is read again from the topic once
// a person has released it.
//
// An operator's later word does not replace a stronger one that holds and was not
// lifted. The analyzer's are folded before they are signed.
//
// A stage numbers its records without holes; who misses one raises an alarm and reads
// the partition from its beginning. That is all that can be done about it here: a
// topic that is withheld as a whole shows as staleness.
//
// Load puts the verdicts of the last run in force before anything is read from
// Kafka. CaughtUp turns true once every partition has been read to the end that
// it had when the follower first saw it, and stays true.
//
// # Concurrency
//
// All methods are safe for concurrent use; Run is called once, and loads the
// file where nobody has. A verdict is applied on the goroutine that received it, before it is
// written to the file: enforcement never waits for the disk. Accept alone waits
// for both.
//
// # Non-obvious
//
// A record is applied even when the file or the number of kept verdicts is at
// its limit. What is lost then is only memory of it after a restart, and it is
// counted: the disk must not decide who is let in.
//
// The records are in the file alone; in memory is, of each key, a hash, the order, and
// where the record's line begins. A record that found no room in the file is therefore
// not written later. Of a key whose newest record is on its way to the disk the place
// of the one before is kept: when the file is rewritten meanwhile, that one is copied,
// so that a crash does not lose both.
//
// A start checks every signature of the file anew: whoever can write the file could
// read a key beside it, so that no mark of our own would tell his lines from ours. They
// are checked on all processors and taken in the order of the file.
//
// kafka-go's Reader is not used: it sleeps between polls, hides the high
// watermark during catch-up and restarts slowly. One long poll per partition
// returns as soon as a record is written, by package fetch, which bounds what a
// batch unpacks to and tells a quota from a fault: a quota is waited out.
//
// A topic that is not there may come back with other records at the same offsets, so
// it is read from its beginning then.
//
// While a partition is being read for the first time its heartbeats are skipped
// but for the last one: a topic that was not compacted for a day holds 86,400
// of them per partition, and each costs a signature check.
package revoke
