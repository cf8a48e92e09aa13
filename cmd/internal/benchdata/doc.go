// Package benchdata measures the anomaly ensemble on labelled tables that are
// not part of the repository, and on the few that are.
//
//	folder --Sets--> Set --Run--> Row --> vigil bench data
//
// # Contract
//
// Measuring is prequential: each row is scored before it is learned, with
// nothing but the rows before it, also for scaling. One configuration serves
// every table. A table in the order of time is measured as it is stored; for
// the others, whose order says nothing or gives the labels away, the result is
// the mean of ten orders with known seeds. Each row carries the hash of its raw
// scores, so that a claim can be checked to the bit.
//
// # Concurrency
//
// Nothing here may run beside something else: it takes times.
//
// # Non-obvious
//
// The trivial detector, the mean of squared deviations from what came before,
// beats most published ones on average. It is measured beside the ensemble in
// the same run, because what does not beat it has not earned its place.
package benchdata
