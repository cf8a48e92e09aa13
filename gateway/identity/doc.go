// Package identity turns the credential of a request into an Identity, or says
// why it is refused.
//
//	               ┌ token ──► cache ──miss──► strict parse ──► issuer ──► key by kid ──► jwx: signature ──► claims ─┐
//	Authorization ─┤                                               └─ introspection: the issuer answers ─────────────┤
//	               └ bound? ◄────────────────────────────────────────────────────────────────────────────────────────┘
//	                   ├ cnf.jkt:      DPoP proof: form, htm, htu, ath, iat, nonce, key, signature, never seen ─► Identity
//	                   └ cnf.x5t#S256: the connection's certificate ────────────────────────────────────────────► Identity
//	X-Api-Key ──► entry of a file, by HMAC ─────────────────────────────────────────────────────────────────────► Identity
//	certificate alone ──► SPIFFE id or DNS name that a rule takes ──────────────────────────────────────────────► Identity
//
// # Contract
//
// A request has one credential: a token in one Authorization header, Bearer or
// DPoP, or one API key, or a verified client certificate and neither. Two are
// refused by name, never chosen from; a certificate beside a session cookie, which
// the gateway judges, is its device. A token in the URL (RFC 6750 section 2.3) is
// refused in any company. What two parsers could read differently
// (duplicate members, base64 that is not canonical, odd encodings) is refused
// before a signature is looked at. Keys come from the issuer's pinned set alone;
// nothing that a token says about keys is believed. An [Error] means that the
// credential is at fault, [ErrNone] that there is none, any other error that the
// verifier is, and the gateway fails closed.
//
// A token that is bound to a key (RFC 7800) is good for whoever proves that key,
// by RFC 9449 or RFC 8705, and for nobody else. Where an authentic token is shown
// without, [Error.Stolen] tells whose it is: a fact for the analyzer, and never a
// permission.
//
// Names leave this package as pseudonyms.
//
// # Concurrency
//
// A [Verifier] is safe for concurrent use. A request whose token names a key
// that is already known never waits for the network; one whose token its issuer
// must answer for waits once for each token and time to live.
//
// # Non-obvious
//
// The cache says only that a token is authentic and in date; whether its
// session still stands is asked on every request, on hits too, by
// gateway/session, and so is whether its key is proven. A key that its issuer
// has withdrawn takes its cached tokens with it.
//
// A token without jti and sid is named by its signing input, never by its raw
// bytes: an ECDSA signature has two valid spellings. That is no way to use a
// proof twice either: proofs are remembered by key and jti.
//
// A proof that comes again from the same address is a client, or a library, that
// has sent a request twice; it is refused, and nobody is accused. From another
// address it is a theft.
//
// Only proofs of an authentic token by its own key are remembered, so a stranger
// cannot fill the memory. Where it is full nothing is forgotten early: the
// gateway refuses, for a forgotten proof could be used again.
//
// Each gateway remembers its own proofs and forgets them when it ends. Where
// there are several, or a restart must leave no window, an issuer's dpop_nonce
// closes it: a nonce is good at the gateway that made it, and only while it runs.
package identity
