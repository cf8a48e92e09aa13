// Package verify recomputes the chains of what is retained of vigil.requests.
//
//	[vigil.requests] --read, per partition--> seal.Collector --> seal.Book, lane positions --> Report
//
// # Contract
//
// What it finds is what a scoring analyzer with the same key set has decided about
// the same records, and what it counts by gateway and epoch can be compared with
// the rows of ClickHouse: events + tombstones are the numbers of a lane. It reads
// without a group, changes nothing, and ends where each partition ended when it
// was met.
//
// A chain or lane that is met for the first time may be older than what is read:
// what is in front of it is no gap.
//
// # Concurrency
//
// [Run] reads one partition after the other and holds one read at a time.
//
// # Non-obvious
//
// Batches count for the life that sent them, events for the life that saw them: a
// gateway delivers what its last life has left.
package verify
