// Package assign divides the partitions of a topic among the members of a
// consumer group, so that state stays where it is.
//
//	each member: what it holds --Encode--> group --Decode--> [Divide] --> who works on what
//
// # Contract
//
// Loads of the members that work differ by at most one. A standby works only where
// fewer than so many others do as it names. Among all such divisions [Divide] returns
// one that takes the fewest partitions away from members that hold their state in
// memory.
// A partition that has to move goes to a member that holds its state on disk, where
// there is one with room. The result depends on the claims alone, not on their
// order, so that every leader of the group divides alike.
//
// # Concurrency
//
// All functions are pure.
//
// # Non-obvious
//
// Two members may claim the same partition: one has lost it and does not know, or
// has old state on its disk. State in memory counts more than any on disk, and then
// the later epoch counts.
//
// Where all members are standbys for the same number, that many work, and whoever
// comes back waits instead of taking partitions from who works: roles move only when
// somebody leaves. Where some are none, those go first, and take back what a standby
// has done for them.
//
// Standbys are chosen by age and not by what they hold, so that the groups of both
// stages, which are divided apart, choose the same: who works on facets alone does
// not know how many sessions there are.
//
// What a member says about itself is believed only as a preference. Nonsense costs
// it its partitions, nobody else.
package assign
