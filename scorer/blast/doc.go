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
// Sessions are counted where they are scored, so a process that owns a share
// of the partitions bounds that share of the sessions, and all processes
// together bound the whole. A partition that has said nothing yet counts for
// none: right after a start the guard is strict, not lax.
package blast
