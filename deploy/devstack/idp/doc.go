// Package idp is a sample OpenID Connect provider on loopback, for "vigil up",
// for the demo and for tests. It is no product: it signs whatever it is asked.
//
//	Mint(Claims) ─► access token ─► client ─► gateway/identity ─► GET /jwks
//	POST /token (client_credentials) ─┘
//
// # Contract
//
// Tokens are JWTs of typ "at+jwt" (RFC 9068), signed with RS256 or ES256. The
// issuer is the provider's own URL. Keys live in Options.Dir across restarts,
// else in memory. [Provider.Rotate] signs with new keys from then on and goes
// on to publish the previous ones, so that tokens in use stay valid;
// [Provider.Forget] withdraws them.
//
// # Concurrency
//
// All methods are safe for concurrent use. Close ends the one server goroutine.
//
// # Non-obvious
//
// Mint may make tokens that a gateway must refuse (expired, another audience,
// no exp at all): tests need both kinds, so Claims are taken as they are.
package idp
