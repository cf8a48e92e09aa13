// Package gateway is the policy enforcement point: it puts the packages of its
// folder into one line, accounts for every request, and runs until it is told to
// stop.
//
//	listen ─► origin ─► guard ─► route ─► identity ─► session ─► admit ─► proxy ─► upstream
//	             └──────────┴────────┴─────────┴─ event ─┴──────────┴─► emit ─► [vigil.requests]
//	[vigil.verdicts] ─► revoke ─► session ✂ proxy ─► emit ─► [vigil.enforcements]
//	                       └─ scored through ─► release ─► proxy (first byte), posture
//
// # Contract
//
// Every request that reaches the handler yields exactly one terminal event,
// whatever becomes of it: served, refused, cut, broken off, or lost to a panic.
// One that lasts has an open event before and ticks in between, all with
// cumulative bytes. A request that is under way when the process is killed yields
// its event by the next start, with reason gateway_ended.
//
// On a route whose durability is strict no upstream is called before the request
// is on the disk; where it cannot be, the client gets 503.
//
// Nothing on the request's path waits for Kafka, the analyzer or ClickHouse, and
// for the disk on strict routes alone. The one exception is a route with a release
// barrier: the first byte of its response waits until its event is scored, no longer
// than the route says, and then the route says what becomes of it.
// A gateway that has not read all verdicts serves public routes only; after a
// while each route's posture counts, until it has.
//
// How well verdicts are known is asked per lane: what counts is the age of the oldest
// event there that is not scored. So one partition without an analyzer closes routes
// to its own callers alone.
//
// While verdicts are not known the postures hold for open streams too: those on a
// route that denies end within a second, those on one that asks for step-up when
// their sign-in is no longer fresh.
//
// A stream ends with the token, key or certificate by which it was let in, when a new
// request with it would be refused as expired; another one that its session shows keeps
// it no longer, for that may be the owner's and the stream a thief's. What is no stream
// yet is let finish. A session of gateway/login has its own end. The stream's event says permit, with
// the code of the refusal as its reason: nobody has judged anything about its caller.
//
// A verdict that ends or refuses a request is answered by an enforcement.
//
// What one address has used up (guard) is refused with an event like any other
// refusal; a connection that is refused has no event, and is counted.
//
// # Concurrency
//
// Run is called once. Reload may be called at any time; it swaps routes and
// issuers for new requests and touches no request that is under way.
//
// # Non-obvious
//
// Run stops in two steps: first the listener with all that it serves, then what
// carries the events of its last requests. Told to stop at once, emit would drain
// before those came.
//
// The sign-in's body is read before the visit is listed, so that a verdict about
// the account that is tried applies to this very attempt.
package gateway
