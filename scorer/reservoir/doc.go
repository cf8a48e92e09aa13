// Package reservoir keeps a sample of the rows of numbers that a stream has let
// through, in bytes that partitions can hand to each other.
//
//	row --Pack--> Rows.Add          in each partition
//	Rows of all partitions --Merge--> Rows of an epoch --Row--> a detector that no longer learns
//	                                        '--Reference--Shift--> how far later rows are from it
//
// # Contract
//
// [Rows] hold at most [RowsMax] rows, a sample in which each row that was added
// is as likely as any other of its age, and say for how many they stand; by
// [Rows.Fade] older ones weigh less (Vitter, Random sampling with a reservoir,
// ACM TOMS 1985, with a decaying count). [Merge] draws from several of them as
// from one stream: each row of the result stands for as many. Every draw is a
// hash of a seed and a count, so that the same rows in the same order give the
// same bytes.
//
// A number is kept in two bytes, in steps of 1/[Step] from 0 to 64, see [Pack]:
// logarithms and shares, of which a thousandth part says nothing. Whoever compares
// a number with those of a sample must round it alike ([Round]), or a value that
// is always the same would lie beside its own past.
//
// # Concurrency
//
// Rows and Counts belong to one goroutine; what nobody adds to may be read by many,
// a [Reference] always.
package reservoir
