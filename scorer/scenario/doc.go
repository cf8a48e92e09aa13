// Package scenario plays small stories to the scorer: events in, and what the
// scorer makes of them as text.
//
//	NAME.txt --Parse--> Script --Play--> Outcome (text for a golden, what was expected and came)
//
// The language is described in testdata/scenarios/README.md.
//
// # Contract
//
// [Parse] reports every fault at once, each with its line. The same script and
// model give the same text, with or without restarts in between.
//
// # Concurrency
//
// A Script is immutable and safe for concurrent use.
//
// # Non-obvious
//
// Time is that of the events and begins at [Start]; nothing here asks what time
// it is, so a story means the same in ten years.
package scenario
