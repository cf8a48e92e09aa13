// Package entity holds what is known about whoever acts: sessions, subjects,
// addresses and tenants; about what they share, as prefixes, autonomous systems,
// accounts and gateways; and the stream clock that all of it lives by.
//
//	Record --> Clock --> Table[Session], Table[Subject], Table[ASN], Table[Tenant] --> evidence, judge
//
// # Contract
//
// State is bounded: each table has a cap and drops the least recently used
// entity in record order, to its [Cold] where there is one, and every list within an
// entity has a limit of limits.go. Time is the stream clock in nanoseconds since 1970; it never runs
// backwards, whatever the events say.
//
// # Concurrency
//
// Nothing here is safe for concurrent use; one engine owns its state.
//
// # Non-obvious
//
// Entities of different tenants never share a key. Addresses are sessions too:
// who shows no credential is judged by what his address does.
//
// An autonomous system is not judged, and stands as evidence against whoever is new to
// it: as what became of others there. Each subject has one voice in it, and only one
// with a history; where honest subjects are at home, nothing is held against others.
package entity
