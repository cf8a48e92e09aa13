// Package forest finds strange rows in a stream of numbers, without labels and
// without a pass over the data beforehand.
//
//	row --columns--> views --members--> raw --calibrate--> surprise --echo--> score
//	                                                          |
//	                          columns, rankers, memory <--gate--
//
// # Contract
//
// A row is scored by what came before it and only then learned, if the gate
// lets it. A score depends on the seed, the rows and their order alone: not on
// names, units or order of the columns beyond rounding and sampling. It is
// never NaN and never infinite. State and time per row are bounded.
//
// # Concurrency
//
// A Detector belongs to one goroutine.
//
// # Non-obvious
//
// What learns everything learns the attack: a thousand equal rows in a burst
// become normal within that burst. So a strange row must buy its way in, and
// rows that repeat pay more. A flood of rows that are not strange one by one is
// told by its share of the latest rows against that of the memory, and teaches no
// more than the memory's share; the price that strange rows pay would be too high,
// because ordinary rows come in small floods, too.
//
// Far is not the same as rare. A column that is nearly constant puts any other
// value at a great distance, so the surprise of a column is the lesser of its
// distance, as of a normal distribution, and of its tail probability.
//
// A column that drifts is judged by its recent level, but only where the level
// explains most of its variance over all of the past: a burst is predictable
// from itself. What a burst adds to that variance is cut, or the few of its rows that
// are learned would make the column predictable, and with it the burst.
//
// The first rows have no past that ranks them, and a short table has few
// others: they are judged by a formula instead, not by a constant.
//
// There is no tree in here. Isolation trees, half-space trees and random cut
// trees were members, gated and scaled like the others, and earned nothing that
// their cost is worth; nor did the mean surprise of all columns.
package forest
