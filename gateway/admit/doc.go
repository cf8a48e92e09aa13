// Package admit decides whether a request may pass.
//
//	(Route, Identity, Standing, Feed) ──► Decide ──► Decision: permit, deny, step_up
//	                                                    └─ throttle ──► Limiter ──► permit, deny
//	session in use, from a new place ──► Newcomers ──► a moment's wait before Decide
//
// # Contract
//
// Decide is a pure function. What refuses most comes first: a verdict that
// blocks or revokes, then a gateway that does not know its verdicts, then a
// missing credential, scopes, the assurance that the route asks for, and last the
// verdicts that only narrow. A Decision that is not a permit carries the problem
// that the client is shown; its code is the event's reason.
//
// Unscored is Decide's word on a response that a release barrier has held back in
// vain.
//
// Suspends is Decide's second look at streams: a posture that refuses a request
// while verdicts are not known ends a stream that was let in before.
//
// # Concurrency
//
// A Limiter and Newcomers are safe for concurrent use; everything else is values.
//
// # Non-obvious
//
// On a public route nobody can step up, since there is no session to raise: a
// verdict that asks for it (about an address, say) lets safe methods pass and
// refuses the others, as read_only does.
package admit
