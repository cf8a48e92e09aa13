// Package assertion tells an upstream, under the gateway's signature, for whom a
// request is made and how far he is trusted right now.
//
//	Identity + Standing ──► Statement ──► Signer ──► JWT ──► X-Vigil-Assertion ──► upstream
//	                                        └── JWKS at /.vigil/jwks.json ──────────┘
//
// # Contract
//
// An assertion is a JWT (RFC 7519) of type vigil-assertion+jwt, so that no other
// JWT of the gateway can be shown in its place (RFC 8725 section 3.11). Its
// audience is the one upstream that it is sent to. It lives for Config.TTL and
// says nothing that the client could not have been told itself; names are the
// pseudonyms of events. The first key signs, all of them are published: a new key
// is added last, moved first once every upstream has read the set again, and the
// old one is removed when its last assertion has expired. Key files are read again with
// the configuration: no restart is needed for any of the three.
//
// # Concurrency
//
// A [Signer] is safe for concurrent use.
//
// # Non-obvious
//
// A signature costs as much as the rest of a request, so an assertion is used
// again for the same statement, for at most half its life.
package assertion
