// Package announce turns what the judge proposes into signed verdicts in topic
// vigil.verdicts, and says every second up to where it has scored.
//
//	ingest --Finding--> fold --Verdict--> sign --> [vigil.verdicts] --> gateway/revoke
//	ingest --Scored---> Heartbeat ------> sign --> [vigil.verdicts]
//	admin port --operator's envelope--> Relay --> [vigil.verdicts], clears also --> [vigil.requests]
//
// # Contract
//
// A [Partition] owns what one stage writes to one partition of vigil.verdicts,
// the one with the number of the partition that is judged. The two stages have
// kinds of target, heartbeats and epochs of their own, so each key has one
// writer. The value under a key is the complete folded state of its target and
// authority: a weaker action never replaces a stronger one that still holds, and
// comes into force when that one lapses. An id follows from the record that
// tipped the judge, so that a repeat after a crash is the same verdict.
//
// An epoch is one above the highest that the stage has written to the partition and to
// those that its keys can have been judged in before the number of partitions was raised
// to a multiple (forebears). The first is what fences: all that a predecessor says, who
// does not know yet that he has lost the partition, stands in that one partition, under
// an epoch that its first heartbeat has said there before. The second is for targets
// that moved: gateways order what is said of a target over all partitions, so whoever
// judges it now must be above that, and folds on what stood of it. No other partition
// matters, and whether one can be read delays nobody whose keys were never in it. One
// that can matter is waited for where nobody has had the partition before. Else its
// first owner was above all that was said before the move, and the partition is taken
// over without: an alarm says that a weaker verdict may replace a stronger one of before
// the move, until the other can be read again; where the epoch then turns out to be too
// low after all, the partition is adopted once more.
//
// [BlastRadius] bounds all analyzers together: a process may end the part of the
// allowance that the partitions that it scores are of all, and the facet stage, which
// judges a tenant in one place, all of it, reckoned from the partitions that are scored
// in the same process (package blast). Where none is, it has the least alone.
//
// What would end more sessions than it allows, or is beyond
// RevokesPerMinute, waits for a person: at most [heldMax] findings of a partition,
// and none that has lapsed meanwhile or whose target an operator has restored. They
// stand in vigil.control, under tenant, "held" and stage, partition and id, in an
// envelope that no gateway takes for a verdict, so that they outlast this process
// and go with their partition; whoever adopts it holds the rest of their group, too,
// where the blast radius did. What a person releases goes out as it was judged,
// however late. Until then a weaker verdict stands in its place, which ends nothing:
// step_up where the subject stage speaks, throttle where the facet stage does.
//
// A vigil.control that cannot be read or written stops no partition and no takeover: a
// person decides on what waits, so it may come later, and what is scored may not. Who
// takes over without knowing what waits holds all that would end sessions, facts
// excepted, until he does (LimitUnread), and judges it anew then. What cannot be written
// is written later. Until then the record of what stands of its target in vigil.verdicts
// carries it in a header, in the same envelope, so that whoever takes the partition over
// has it from there: the latest of each target. Once nothing waits of a target any more,
// what stands of it is said again without.
//
// When another of the analyzer's keys begins to sign, what is in force is written once
// more under it, the same verdict at the same place in the order, and so is what waits:
// before the old key ends nobody needs it any more. What stands in topics under a key
// that has ended is believed here for as long as the key is listed.
//
// What operators say is folded by Relay, against what the topic says that they have
// said: a later and weaker word does not replace a stronger one that holds.
//
// A verdict is acknowledged by all replicas when Announce returns; a heartbeat
// never claims a record whose verdicts are not. It follows a batch within [beatGap],
// and within [awaitedGap] where a gateway holds a response back for one of its
// records, which the event says itself: so nobody has to be asked, and a partition
// that nobody waits for pays nothing. It names at most [beatLanesMax] lanes.
//
// The last record under a key is what stands, whatever else is written there: compaction
// keeps no other. Once a minute it is looked whether that is so, and it is said again
// where it is not. What operators and feeds have said is watched by the subject stage of
// the partition, up to spokenBytesMax, and written again as they have signed it: the latest
// authentic word. A later one is theirs to say, also a weaker one that Relay has refused and
// somebody has put into the topic all the same: who reads along has taken it already.
//
// # Concurrency
//
// An [Announcer] and a [Writer] are safe for concurrent use, and so is a
// [Partition]; its records are numbered and written one after the other.
//
// # Non-obvious
//
// A proposal at or below the offset of the verdict that stands has been judged
// before: without this rule a replay after an operator's restore would revoke
// again what the operator has just restored.
//
// A control record is believed for the operator's envelope in it, never for
// what else it says: many may write to vigil.requests, and none of them may lift
// a verdict and have it signed here.
//
// A restore writes an observe verdict over the key that it clears. Otherwise
// the next owner would find the cleared verdict in the topic and hold it to be
// in force.
package announce
