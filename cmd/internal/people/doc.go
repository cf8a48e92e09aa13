// Package people invents ordinary users of the sample service: where they are,
// with what and how they work, thirty days of history, and clients that act for
// them, or for who attacks them, on a gateway that runs.
//
//	Population ─► Past ─► Narrator ─► events ─► warm-start file ─► analyzer
//	           └► Visit ─► Client ─► gateway
//
// # Contract
//
// One seed decides who people are and what they do; only the clock is real. A
// person's history and live visits come from the same generator. The generator
// knows nothing of the scorer's signals and thresholds.
//
// # Concurrency
//
// A Population is read only and may be shared. A Client is safe for concurrent
// use, a Visit belongs to who plays it.
//
// # Non-obvious
//
// Addresses are from 198.18.0.0/15, which is reserved for tests and belongs to
// nobody; they reach the gateway through PROXY protocol, from 127.0.0.1 as a
// trusted proxy.
//
// Pseudonyms depend on the provider's address: people whose provider has moved
// to another port are strangers to the analyzer.
package people
