// Package identity turns the credential of a request into an Identity, or says
// why it is refused.
//
//	Authorization ──► cache ──miss──► strict parse ──► issuer ──► key by kid ──► jwx: signature ──► claims ──► Identity
//	                                                       └── JWKS by URL or file, refetched in the background
//
// # Contract
//
// Exactly one Authorization header with one bearer JWT in compact form. What
// two parsers could read differently (duplicate members, base64 that is not
// canonical, odd encodings) is refused before a signature is looked at. Keys
// come from the issuer's pinned set alone; nothing that a token says about
// keys is believed. An [Error] means that the token is at fault, [ErrNone] that
// there is none, any other error that the verifier is, and the gateway fails
// closed.
//
// Names leave this package as pseudonyms.
//
// # Concurrency
//
// A [Verifier] is safe for concurrent use. A request whose token names a key
// that is already known never waits for the network.
//
// # Non-obvious
//
// The cache says only that a token is authentic and in date; whether its
// session still stands is asked on every request, on hits too, by
// gateway/session. A key that its issuer has withdrawn takes its cached tokens
// with it.
//
// A token without jti and sid is named by its signing input, never by its raw
// bytes: an ECDSA signature has two valid spellings.
package identity
