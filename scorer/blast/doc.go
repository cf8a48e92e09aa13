// Package blast bounds how many sessions automatic verdicts may end: whoever
// can make the scorer see ghosts shall not log a whole company out.
//
//	sessions active per partition --Active--> Guard <--End-- verdict that ends a session, by tenant and group
//	                                            └─► allowed, or held for a person
//
// # Contract
//
// Within a window of stream time the verdicts that rest on one group of
// evidence may end at most a share of a tenant's active sessions, and always a
// few ([Limits.Least]), so that a small tenant is protected at all. The first
// one beyond trips the guard for that tenant and group: it and all that follow
// are held until [Guard.Release], however long that takes, because a share
// per window for ever is everybody by evening. The same target counts once. The
// caller exempts cryptographic facts, so that nobody trips the guard to protect
// himself.
//
// A guard is a function of the calls and their times; it reads no clock.
//
// # Concurrency
//
// A [Guard] is not safe for concurrent use.
//
// # Non-obvious
//
// Sessions are counted where they are scored. A partition has the sessions that a hash
// gives it, so the partitions of one process are a fair sample of all. A process that
// judges k of n partitions bounds the verdicts of these: it may end the share of the
// sessions that it sees, or k/n of the least, rounded up; all processes together end
// the share of the whole, or the least and at most one more for each process. What is
// judged over a tenant as a whole is judged in one place: it may end the share of n/k
// times the sessions that are seen there, or the least.
//
// A partition that has said nothing yet counts for none: right after a start the
// guard is strict, not lax. Where no partition is scored, as where facets alone
// are judged, no session is known and the least is all that may be ended.
package blast
