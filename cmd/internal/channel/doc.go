// Package channel tests the way of a verdict from those who sign it to the sessions
// that it ends, against whoever can write to the topic, replay it or withhold it.
//
//	analyzer/announce --+
//	vigil (operator) ---+--> [vigil.verdicts] --> gateway/revoke --> gateway/session
//	somebody else ------+
//
// # Contract
//
// Each hostile record stands beside a valid twin that differs in the one thing that
// is hostile and takes effect, so that a test cannot pass because nothing is read.
//
// # Non-obvious
//
// The tests are here because no package of the analyzer may know the gateway's.
package channel
