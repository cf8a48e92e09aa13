// Package app is what every main of Vigil shares: signals, exit codes, the
// build's version, and the life of a process that serves.
//
//	main ─► Main ─► cobra command ─► Serve: config ─► telemetry ─► role.New ─► ready line ─► Run
//	                                    └─ SIGHUP, changed file ─► reload
//
// # Contract
//
// Exit codes are fixed: 0 ok, 1 findings or a failure while running, 2 wrong
// usage or configuration, 4 something that must be reached is not there. The
// first line on the standard output of a process that serves is one JSON
// object {"event":"ready",…} with its addresses; everything else that it has
// to say goes to standard error.
//
// # Concurrency
//
// The first SIGINT or SIGTERM ends the context; the second ends the process
// at once, because the signal's default is restored.
//
// # Non-obvious
//
// The environment, the clock and the streams come in an [Env], so that tests
// run the real commands in-process.
package app
