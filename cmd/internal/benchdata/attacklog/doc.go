// Package attacklog replays public logs of attacks, those that the hub of
// CrowdSec tests its own scenarios with, and says whom the shipped model acts
// on and how soon.
//
//	logs + manifest.json --Run--> Report --> vigil bench data
//
// # Contract
//
// Every log is replayed through both stages of a scorer of its own, without history,
// by the times of its lines, with the model that is given; a verdict about a prefix,
// an account or whatever else many share counts for each address that meets it. Counted are the addresses
// that the hub expects: acted on (throttle or more by that model's ladder),
// suspected below every rung, or missed; and, as wrong, those that are acted on
// and that nobody expects. How soon is the number of the address's events up to
// the first action, beside the hub's own: the capacity of its smallest bucket
// for the log, and one.
//
// A log counts where a gateway could have seen what it tells: requests, what a
// firewall found in them, and sign-ins of any service, as an attempt by an
// address on an account. Those about kernels, processes, ports, mail or name
// service do not; they are listed.
//
// # Concurrency
//
// Run has one user at a time.
//
// # Non-obvious
//
// Authentication logs are read by a table of how products write a failed
// sign-in. The table is of this package alone: a gateway sees sign-ins as its
// routes declare them, and reads no logs.
//
// A line without a time happens when the line before it did, and a log without
// a year is of one fixed year, so that a replay gives the same each time.
package attacklog
