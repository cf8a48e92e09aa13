// Package cold keeps on the analyzer's own disk the entities for which the scorer
// has no room in memory, and gives them back when they come again.
//
//	scorer --Put--> buffer --> segment --> segment --> … (oldest: deleted)
//	       <-Take-- index of each segment ---^
//
// # Contract
//
// A [Shelf] is an [entity.Cold]: what it gives back is a function of what was put,
// taken and cleared, in that order, and of its bound. It is a log of these. A mark names a
// point of the log; whoever opens the shelf with the mark that was taken together
// with a snapshot of the scorer has it as it was then, also where it went on since:
// replay from the snapshot writes the same log again. A mark that is not one of
// this disk's log, or of a part that is gone, opens an empty shelf, and says so:
// those who were on it are strangers then, as without a shelf.
//
// Those who have taught and those who have not have a log of their own, three
// quarters and one quarter of the bound, so that a burst of strangers pushes out
// nobody but strangers. Each log drops its oldest segment, an eighth of it, when it
// begins a new one. Up to as many segments again stay on the disk unused, for marks
// that are older: files take up to twice the bound.
//
// A shelf takes 16 to 32 bytes of memory for each entity that it holds, and
// [entitiesPer] bounds how many there are for its size.
//
// # Concurrency
//
// A Shelf belongs to the goroutine that owns its partition. What [Shelf.Mark]
// returns to be called may be called beside it.
//
// # Non-obvious
//
// Nothing waits for the disk to sync but a snapshot: a crash goes back to one. Its
// mark is secure by what has been synced, whoever asked for it, and by nothing that an
// earlier mark meant to sync: that one's snapshot may never have been written. What a
// life before has left may be in no more than its kernel's memory.
//
// What is cleared stays in its segments until they are dropped, for marks from before.
//
// A disk that fails empties the shelf and stops it until it is opened again:
// scoring goes on, and knows less.
//
// A segment's index is written once it is full, and read in its place after a
// restart; where that file is missing the segment itself is read.
package cold
