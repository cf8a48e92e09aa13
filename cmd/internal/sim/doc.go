// Package sim runs the line from a gateway's event to a verdict in force, and back
// to what a gateway enforces, on a network, a broker and a clock that all belong to
// the test, and lets them fail.
//
//	seed --> faults, kills, leaders that move
//	gateways (emit, revoke) <--net.Pipe--> kfake <--net.Pipe--> analyzers (ingest, announce, state)
//	in the end: ledger of the gateways = topic = assessments of an engine that never stopped
//	analyzer of both stages, killed at each step of its work --> snapshots, cuts,
//	assessments, verdicts = those of one life, byte for byte
//
// # Contract
//
// Time is that of testing/synctest: an hour of faults costs what the work in it
// costs. The seed is printed, VIGIL_SEED repeats it: the same faults come at the same
// instants of that clock. What happens within one instant is up to Go's scheduler.
//
// # Non-obvious
//
// Delays are put into answers of Produce, Fetch and ListOffsets alone. kafka-go's
// group connection has one mutex for all who wait for answers; a goroutine that
// waits for a mutex keeps the clock of a bubble from moving, and so would wait for
// ever for an answer that waits for the clock.
//
// ClickHouse has no part in it: its library knows no clock but the machine's.
package sim
