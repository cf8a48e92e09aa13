// Package spool keeps a gateway's records on its own disk until Kafka has them,
// so that neither the end of the process nor an outage of Kafka loses one.
//
//	gateway/emit --Append--> segment (mapped) --Commit--> disk
//	             --Issue, Known--> marks       (per lane: given out, with Kafka)
//	             --Begin, Closing--> flight    (requests under way)
//	the next start: Open --Past--> gateway/emit --> Kafka
//
// # Contract
//
// A life is one run of a gateway; its files bear its epoch. A record for which
// Append has returned true survives the end of the process, and once a Commit that
// began later has succeeded, the loss of power. What is in between is the window,
// which the metric vigil.spool.window reports.
//
// The next start finds every number of each lane of an ended life that Kafka may
// not have, in order and without a gap: as a record, as the event of a request that
// was under way, or as lost, with the reason. A record is never found with another
// content than it had: what its checksum does not cover is lost.
//
// A segment whose sync fails is given up at once: nothing more is written to it,
// and its sync is not repeated, since it would succeed and mean nothing.
//
// When the spool is full, whole segments of plain reads give way, the oldest first;
// denials, sign-ins, changes and streams are in segments of their own. Where those
// alone fill it, what is new is refused.
//
// After a loss of power, requests that were under way leave their event only where
// somebody has called Durable, from when on their file is synced with the log; one
// that ended within the window may then have a second event, with the same id.
//
// # Concurrency
//
// Append, Done, Begin, Closing, End, Durable and Figures are safe for concurrent
// use and wait for no disk, Durable excepted. Issue and Known have one caller per
// lane at a time. Run is called once, Close after it.
//
// # Non-obvious
//
// Segments are mapped and their blocks are taken before the first write: else a
// full disk would end the process with a signal in the middle of a request.
//
// The start syncs what an ended life had not: its pages are still in the memory of
// the machine, and a power loss soon after would take what was already found.
//
// Segments are never written again. The checksum of a record begins with a salt of
// its file and place, so that old blocks are never taken for records.
//
// The order of the writes makes a crash between any two of them count once: the
// slot of a request names the number of its terminal record before the marks say
// that this number was given out, and those say so before the record is written.
package spool
