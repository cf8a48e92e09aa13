// Package soak measures the scorer on generated lives: false alarms in clean
// subject-days, and how soon attacks are met.
//
//	life.World ─► scorer.Engine ─► alarms by kind and segment, exp(L) by group, detection table
//
// # Contract
//
// The first days teach only; what is proposed in them is counted apart. A
// subject-day is a day (UTC) on which a subject sent anything; where there is no
// subject, an address. A false alarm is a proposal on an event of somebody who
// is not attacked; the owner of a stolen token is a victim, and what happens to
// him counts for detection. The segment of an alarm is every circumstance of
// the actor's day so far.
//
// People answer: who is asked for a step-up by mistake gives it 45 seconds
// later, and his token says so from then on; whom a stronger action hits by
// mistake, or a robot that cannot confirm anything, is restored by an operator
// at once. Thieves confirm nothing. Nobody is cut off: an attack runs to its
// end, and the table says after how many requests it would have ended.
//
// An attack is caught at a step-up or more, ended at a revoke or block. Requests
// count from the first suspicious one on; whom an earlier verdict still holds
// then is caught at the first.
//
// # Concurrency
//
// [Run] is one loop; runs share nothing.
//
// # Non-obvious
//
// The clock of the engine follows the events, as in files; tick records would
// be a second each and say the same.
package soak
