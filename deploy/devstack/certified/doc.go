// Package certified runs a provider that the OpenID Foundation has certified, so
// that signing in is tested against the protocol as others understand it.
//
//	test ── Start(Options) ──► node provider.mjs ──► oidc-provider (npm) on loopback
//
// # Contract
//
// Everybody can sign in under any name, with one factor or two, or say no. What
// the provider knows lives in its memory: after [Provider.Close] nobody is signed in
// any more, and a new start with other keys is what a key rotation looks like.
//
// # Concurrency
//
// A [Provider] is one process; Close ends it, and so does the end of its parent.
//
// # Non-obvious
//
// oidc-provider itself does not ask again for a stronger context that a client only
// wishes for (acr_values); ours does, as providers in the field do.
package certified
