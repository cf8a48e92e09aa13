// Package garbage lets less garbage stand in a process that makes little of it.
//
// # Contract
//
// [Keep] lowers the collector's target (GOGC) while the process allocates slowly, so
// that a collection comes about as often as every 20 seconds, and puts it back to Go's
// own 100 % while it allocates fast. It never lets more garbage stand than Go would by
// itself, and nothing is done where the operator has set GOGC. A memory limit
// (GOMEMLIMIT) holds beside it.
//
// # Non-obvious
//
// Go collects when the heap has grown by as much as is in use, stacks included, whether
// that takes a second or ten minutes. A gateway with 100,000 idle streams has gigabytes
// in use and makes little garbage, and yet would hold gigabytes of it. A busy one makes
// as much within seconds; to collect more often would cost it processor time for memory
// that it needs anyway.
//
// The price is one look at the runtime's figures every five seconds, one collection each
// time that the process becomes calm, and that one which gets busy all at once collects
// too often until the next look.
package garbage
