// Package runfile is what a running installation tells the other commands:
// where its parts listen and where its secrets lie.
//
//	devstack.Start ─► DIR/run.json ─► vigil verdicts, revoke, restore, query, migrate
//
// # Contract
//
// run.json is written whole (beside its place, then renamed), mode 0600, and
// stays when the installation stops, because it keeps the ports for the next
// start. PID is 0 while nothing runs. It names files that hold secrets and
// holds none itself. Paths are absolute.
//
// # Concurrency
//
// One writer, the holder of the directory's lock; any number of readers.
//
// # Non-obvious
//
// The package links no engine, so that the static command line may read it.
package runfile
