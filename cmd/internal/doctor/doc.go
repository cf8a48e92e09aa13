// Package doctor examines an installation and says of each thing that can be wrong
// with it whether it is, and what to do.
//
//	configuration files, brokers, ClickHouse, admin ports, issuers ──Gather──► Facts ──Judge──► []Result ──► table or JSON
//
// # Contract
//
// [Gather] looks and changes nothing: it reads files, asks for metadata and writes
// no record and no row. What cannot be asked becomes a fact too, so that one dead
// part hides no other. [Judge] is pure; each result that is not green has a hint.
//
// # Concurrency
//
// Gather asks its sources side by side, each with a time limit.
//
// # Non-obvious
//
// An installation whose brokers are all on loopback and in plain text is one for
// trying things: no names, one copy and full rights are green there, and the text
// says so.
package doctor
