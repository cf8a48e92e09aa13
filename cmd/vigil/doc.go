// Command vigil is the operator's tool and, built with the tag embedded, the
// whole product in one process.
//
//	vigil up, demo                       run it
//	vigil score, test, calibrate         try the scoring on a file
//	vigil config, model, migrate         set it up
//	vigil verdicts, explain, query …     look
//	vigil revoke, restore, release       act
//
// # Contract
//
// Exit codes: 0 ok, 1 findings, 2 wrong usage or configuration, 4 something
// cannot be reached. Results go to standard output, as a table for people or
// with -o json for programs; everything else goes to standard error.
//
// # Concurrency
//
// Every command is one straight line; only up and demo start goroutines that
// outlive a call.
//
// # Non-obvious
//
// Each command is one function newXCommand(env) in a file of its own, listed in
// root.go. The commands up and demo need the embedded engines; a build without
// the tag has them too, and they say how to get a build with it.
package main
