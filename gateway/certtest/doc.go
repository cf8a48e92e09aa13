// Package certtest makes certificates for tests.
//
//	New ──► Authority ── Issue ──► Pair ── Files ──► configuration
//	SelfSigned ──────────────────► Pair
//
// # Contract
//
// Certificates hold from an hour ago for an hour, unless a test changes that, and
// their keys never leave the process but into files that a test asks for. What cannot
// be made ends the test.
//
// # Concurrency
//
// An [Authority] and a [Pair] do not change once they are made.
package certtest
