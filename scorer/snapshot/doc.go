// Package snapshot is the byte form of the scorer's state.
//
//	entity state --Codec--> Seal --> file --Open--> Codec --> entity state
//
// # Contract
//
// A sealed snapshot is magic, format version, length, payload and an XXH3-128
// of the payload, integers little-endian. [Open] refuses another version, a
// torn file and a changed byte. One method of an entity both writes and reads
// it, so the two directions cannot drift apart; entities are in record order.
//
// # Concurrency
//
// A Codec belongs to one goroutine.
//
// # Non-obvious
//
// The checksum finds accidents, not forgers: whoever can write an analyzer's
// disk owns its state. Counts are still checked against the bytes that remain
// before memory is taken.
package snapshot
