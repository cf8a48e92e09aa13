// Package logtest is a log for tests that read it while it is written.
//
// Its law: what Write has returned from, String shows.
package logtest
