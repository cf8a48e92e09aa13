// Package cost measures what scoring costs: time, allocations and memory.
//
//	life ─► events ─► Engine.Assess, timed one by one ─► Latency
//	Crowd ─► as many subjects as are asked for ─► bytes each, time each
//
// # Contract
//
// A figure is of the engine alone: events are made before the clock starts. The
// garbage collector runs as it does in production, on what the engine holds.
// Beside each figure stands a baseline of the same run, so that the ratio tells
// more than the machine.
//
// # Concurrency
//
// Nothing here is safe for concurrent use; a measurement wants the processor
// for itself.
//
// # Non-obvious
//
// Each event is timed alone, so a figure includes reading the clock twice; what
// that takes is reported.
package cost
