// Package olap is ClickHouse inside the process: libchdb behind ClickHouse's
// own HTTP protocol on loopback, so that the same clickhouse-go code talks to
// it and to a real server.
//
//	clickhouse-go --HTTP--> Server --one of n connections--> libchdb --> data directory
//	                          └─ Fault: what a test wants to go wrong
//
// # Contract
//
// A POST holds a statement, in the body or in URL parameter query; an INSERT
// in the URL takes its data from the body, in the format that its FORMAT
// clause names. Settings come as URL parameters and hold for one statement,
// values of {name:Type} placeholders as param_name. Native blocks are answered
// in the revision that client_protocol_version asks for, compressed with LZ4
// or ZSTD where compress=1 asks for it. Errors are HTTP 500 with the header
// X-ClickHouse-Exception-Code. Sessions and external tables are refused.
//
// An INSERT whose body is cut off is cancelled and leaves nothing, provided
// that it was one block; what was answered with 200 is on disk as far as
// ClickHouse itself writes it, without fsync.
//
// # Concurrency
//
// A Server is safe for concurrent use. At most Options.Connections statements
// run at once, QueueMax more wait, the rest get 503. The library holds one data
// directory per process: tests of one binary share a server and take a
// database each.
//
// Each connection has a thread of its own on which the engine is called, and which
// is nicer to others than the rest of the process; the engine's own threads inherit
// that. Where cores are scarce, requests and verdicts come before rows.
//
// # Non-obvious
//
// The library needs the system's loader, so a binary that links this package
// is dynamic also with CGO_ENABLED=0; no build tag or flag is needed for it.
// Its signal handlers are turned off before anything else, or Go's runtime
// loses its own. An insert's text must not carry its FORMAT clause any more
// when it reaches the library: with it, the data is looked for in the text.
// Answers of the library are Native revision 0 while clickhouse-go reads what
// it asked for, so they are decoded and encoded again. Settings are SET and
// reset around each statement: a SETTINGS clause cannot be added to text that
// one does not parse.
package olap
