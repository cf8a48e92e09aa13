// Package problem is the only place where a reason becomes an HTTP status and
// a body.
//
//	route, identity errors ──► From ───────────┐
//	admit, session, proxy ──► Revoked, StepUp, …┴─► Problem ──► Write ──► client
//	                                                   └──► JSON ──► WebSocket close, last SSE event
//
// # Contract
//
// A problem is an RFC 9457 document. Its code is stable: clients may branch on
// it, and it is the reason in the event. Nothing in it tells an attacker what
// he could not know: detail is written here or comes from a verdict's public
// text, never from an error's text. A refusal of a credential carries an
// RFC 6750 challenge, one that a fresh sign-in would lift the challenge of
// RFC 9470. Answers are never cached, and a HEAD has no body.
//
// # Concurrency
//
// Problems are values; everything here is safe for concurrent use.
//
// # Non-obvious
//
// A gRPC client reads no JSON: it gets the same problem as a response that
// consists of trailers only, with status 200 as its protocol demands. The
// problem's own status stays what the event records.
package problem
