// Package arch holds the tests of the repository's shape: which folder may
// import which, where each costly library lives, what the production mains
// must not link, and what may stand in the root.
//
// # Contract
//
// Every rule is data with a reason, so that a failure tells a reader what to
// do. Rules are checked on parsed source, in this process.
//
// # Non-obvious
//
// A test that asks "go list" is cached by the files that the test itself
// opened, and goes stale when a child process saw others.
package arch
