// Package login signs people in at their providers, keeps their sessions in
// sealed cookies, and signs them out everywhere.
//
//	browser ── GET page ──► gateway ── Challenge ──► login ── state, nonce, PKCE ──► provider
//	browser ◄── sealed session ── callback ◄── code, iss ────────────────────────────┘
//	browser ── cookie ──► Recognise ──► Identity ──► gateway/session, admit, proxy
//	provider ── logout token ──► Judge (gateway/session) ✂ streams
//	                └──► Report ──► [vigil.requests], kind session
//
// # Contract
//
// The cookie is the session: whatever it takes to serve it is sealed in it under
// the key ring, so that every gateway that shares the ring serves it, also one that
// has just started. What is remembered beside it is a cache of what is newer. A
// session ends when it is idle, at its absolute age, when somebody signs out here or
// at the provider, when its provider does not renew it, and when its provider has
// been away for longer than StaleMax.
//
// An answer of a provider counts if it belongs to a sign-in that this browser began
// (state in a __Host- cookie), is the first with its state, comes from whom was
// asked (own redirect URI, iss of RFC 9207), and carries the code that goes with our
// PKCE verifier and an ID token with our nonce. A step-up counts if the same person
// did what was asked; the session goes on under its name with a new authentication.
//
// What ends a session ends it at every gateway that shares the key ring: each is told,
// with a few tries. Its refresh token is given back (RFC 7009) when the person or the
// provider ends it, when another sign-in replaces it, when a verdict revokes or blocks
// it, and when it times out here. What both cost is bounded for each peer and provider.
//
// Where a provider does not say when the person proved himself, the time at which he
// came back counts for his session's age, but lifts no step-up that a verdict asks for:
// whom the provider still knows it sends back unasked. Our own second factor does, or
// another provider.
//
// A logout token is checked in full before anything is ended, and what it ends is cut
// before the provider has its answer.
//
// Where a provider cannot step up, a key in the person's device can (WebAuthn). Its
// public half is kept by the browser, sealed: a second factor is tied to a browser,
// and a browser without one is given one only within minutes of a sign-in at the
// provider, and not while a verdict asks for more of its session: what is brought
// then would prove nothing about the person. Nor does a confirmation bring back whom
// a verdict has ended; only the provider can. Our own contexts no provider can give.
//
// Where a tenant links accounts, whoever signs in with an address that his provider
// has verified, and is trusted for by its domain, is one subject at all such
// providers: the pseudonym of the address, which every gateway makes alike without
// asking anybody. That is settled at the sign-in. A session is never taken over to
// another subject: it ends where its link does, and who was not linked is so only
// when he signs in again. What a person does at one provider gives no rights of
// another. A verdict about the account counts like one about the person.
//
// Sealed values carry what they are for: a sign-in under way opens for no session.
//
// # Concurrency
//
// A [Login] is safe for concurrent use. A request waits for a provider only on our own
// pages; sessions are renewed in the background, each by one gateway, and Run waits
// for what is under way.
//
// # Non-obvious
//
// A session's name in events and verdicts is our own id. The provider's sid is an
// alias: a step-up may change it, and would otherwise begin a new session.
//
// A refresh proves nothing about a person, so acr and auth_time stay as they were; a
// verdict's cut-off cannot be got round by it.
//
// A cookie that was replaced by a step-up is served for a minute with the rights that
// it had, because its requests were on their way, and is refused afterwards. One that
// was replaced by a refresh is given the newer one: its refresh token has been used
// up, and another tab may have been faster.
//
// Which cookie is the newest is known where the session is remembered, and there alone.
// At another gateway, after a restart, and where too many sessions came since, a cookie
// from before a step-up counts again until it has been idle for too long: with the
// rights and the auth_time that it had, which the step-up has added to and taken nothing
// from, so that no more can be done by it than before. It is the same session, so that
// whatever ends that ends it too, and its token has another name, so that two at once
// stand out. To refuse it everywhere would take a store that all gateways share.
//
// An answer that carries a session cookie is marked no-store whatever its upstream
// said: a shared cache must not hand a session out.
//
// Links that people make themselves, and accounts without an address in common, would
// need a store that all gateways share: there is none. An address that its domain
// gives to somebody else makes him the same subject; a provider that lets go of
// addresses is not to be trusted for them. Access tokens that clients bring are never
// linked: they name no address.
//
// max_age is sent with every sign-in, since a provider that is asked for it has to
// say when the person proved himself, and verdicts compare with that.
package login
