// Package epoch holds what the partitions of a tenant share: numbered, immutable
// and built off the path.
//
//	partition --Summary--> Build (by partition) --Epoch--> control record --> Knowledge.Activate, in every partition
//
// # Contract
//
// A [Summary] is all that one partition has learned, faded as the stream clock
// says; a newer one of the same partition replaces an older one. [Build] merges
// one summary of each partition, in the order of their numbers, into the epoch
// that follows: the same summaries give the same bytes. An [Epoch] never
// changes. Its digest is the SHA-256 of its bytes, and a control record
// ([Control]) names tenant, number and digest: where that record stands in a
// partition is from where the epoch scores there. The bytes of both have a
// magic, a version and a checksum.
//
// What is shared now: the prior and the curves of package sequence, the
// concentrations by which habits back off to those of a peer group and of the
// tenant, and the detectors of package anomaly, each as a sample of the rows that
// its live twins have learned (package reservoir): a merged sample is a sample of
// the merged stream, which the state of a detector is not. More is appended to Summary and Epoch, with the version
// raised; bytes of the version before are read, and keep their digest.
//
// Numbers only grow. To go back to an earlier epoch is to put its content in force
// as a later one ([Epoch.Again]), so that no partition has to know which of two
// control records was meant last.
//
// A summary and an epoch are at most [BytesMax] long: 71 KB of sequences and 53 KB
// for each of at most [DetectorsMax] detectors, 715 KB in all where every one is
// full. Detectors beyond the limit stay as they are in each partition.
//
// # Concurrency
//
// An Epoch may be read by many. A [Knowledge] belongs to its engine.
//
// # Non-obvious
//
// The epoch in force scores while [Knowledge] goes on learning beside it, and
// neither touches the other: who drifts slowly does not move what he is
// measured by. How far the two are apart ([Knowledge.Shift]) is a figure for an
// alarm and promotes nothing. For detectors it counts all rows that proved clean, also
// those that the live twin's gate keeps out: what the gate hides is what an alarm is for.
//
// A summary is everything and not what is new since the last epoch, so that one
// which is lost, late or sent twice makes no difference.
package epoch
