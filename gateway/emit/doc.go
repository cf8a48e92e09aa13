// Package emit carries what the gateway saw to Kafka without ever making a
// request wait.
//
//	gateway --Intend--> spool (requests under way)
//	gateway --Emit--> spool + queue (per lane, bounded) --> sender (one per partition) --> topic "vigil.requests"
//	what an earlier run left --^
//	gateway/session --Enforce--> spool of their own + queue --> sender --> topic "vigil.enforcements"
//
// # Contract
//
// Every event gets the next number of its lane at the moment of Emit, whether
// or not there is room for it. One batch per partition is in flight at a time
// and a batch is repeated until Kafka has acknowledged it, so within a lane
// records arrive in the order of their numbers, and a record that is there
// twice is recognised by its number. Numbers that were dropped on purpose are
// covered by a tombstone with the reason, which is written in their place,
// before the next number of the lane.
//
// With a spool an event is on the disk, as far as a process is concerned, before
// Emit returns: the next start delivers what Kafka does not have, with its old
// epoch, lane and number, before anything of its own, and ends each of those lanes
// with a tick that says so. Requests that were under way leave an event whose end is
// not known. So requests = events + numbers told as lost, whenever the process dies.
// What has no room in memory waits on the disk alone. Without a spool, what is in
// the queue when Run has used up its drain time is counted as lost.
//
// Of requests that are refused because their senders have been judged already,
// JudgedPerSecond of a lane are told of one by one, and of those that an address is
// refused which shows nobody's name, RefusedPerSecond. The others have numbers, covered
// by tombstones with the reason summarised, and the next such event says how many it
// stands for: the books stay even, and a flood does not delay what others do. What was
// permitted is told of in full.
//
// With a signer each batch of events bears the seal of this gateway, and the batches of
// one request share its signature: see package seal. A life has one chain per partition,
// also for what earlier lives have left.
//
// Enforcements are receipts: with a spool they survive as events do, and one that a
// crash has made double has the same id twice. They have no numbers that a reader
// sees.
//
// # Concurrency
//
// Emit, Enforce and Stats are safe for concurrent use and never block on
// anything but a short mutex of one lane. Run is called once.
//
// # Non-obvious
//
// kafka-go's Writer is not used: it has more than one batch in flight while it
// retries, buffers without a limit in bytes, and gives up after ten attempts.
//
// Lanes are tied to partitions for the life of an emitter. A topic that grows
// is used in full by the next start: moving a lane in mid-life would look like
// a gap in one partition and a duplicate in the other.
//
// A record is read back from the spool without the lane's lock, so that a request
// never waits for a sender that waits for a disk; what the spool gives up meanwhile
// moves the places, and the reader looks again.
//
// Partitions that have one leader share a request (see rounds): they linger together
// and are signed and sent together, each with a batch and an answer of its own. What a
// request of several fails with is dealt with by each partition by itself and alone, so
// that one that cannot be served holds up the others once and no longer.
//
// A batch is encoded once, by us: an attempt that timed out may still be reading its
// bytes, so after an error they are never written to again.
//
// A life that ends as it should closes its lanes itself, once all else is delivered:
// its last ticks say so, and nobody waits for what no longer comes. One that could not
// deliver leaves that to the next.
//
// Ticks take no number while the lane's previous tick still waits, so an outage
// of Kafka does not fill the queue with them.
package emit
