// Package falsealarm counts whom the shipped model would act on in a real
// access log of a public site.
//
//	apache_logs --Run--> alerts per 1,000 addresses --> vigil bench data
//
// # Contract
//
// The log is replayed in its order. An alert is an address for which the ladder
// asks for throttle or more. Those that were looked at by hand and are scanners
// are named in the package and counted apart; whatever else is acted on is a
// false alarm until somebody has looked at it.
//
// # Concurrency
//
// Run has one user at a time.
//
// # Non-obvious
//
// The log has no labels. The hand check is of what the addresses asked for: all
// of them asked only, or nearly only, for software that the site never had.
package falsealarm
