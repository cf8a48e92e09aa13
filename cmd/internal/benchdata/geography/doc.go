// Package geography checks what the gateway says about addresses against the
// sources from which MaxMind builds its test databases.
//
//	NAME.mmdb --gateway/origin--> country, place, ASN, tags == NAME.source.json
//
// # Contract
//
// One look-up for each network of the source, by its first address. It is exact
// when everything that the source says about the most specific network around
// that address, and nothing else, comes out.
//
// # Concurrency
//
// Run has one user at a time.
//
// # Non-obvious
//
// The sources write networks of IPv4 as such of IPv6 below ::/96; a gateway sees
// the addresses as IPv4. Networks of IPv4 within 6to4 and Teredo are aliases
// that a database may lack, and are not asked for.
package geography
