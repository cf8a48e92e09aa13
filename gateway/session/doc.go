// Package session knows who is here right now, what every verdict says about
// him, and ends what a verdict ends: it is the kill switch.
//
//	gateway ── Enter ──► Table ── Standing ──► gateway/admit
//	gateway/revoke ── Apply ──► Table ── cancel(&Cut) ──► gateway/proxy
//
// A visit is one request or one open stream. It belongs to a party: all visits with
// exactly the same names. The party is listed under every name by which a verdict
// may target it: session and its aliases, subject, token, device, client, account,
// address, JA4 and route. A verdict is listed under its target. Whichever comes
// second meets the other.
//
// # Contract
//
// Verdicts for one target and authority are ordered by (epoch, seq): the later
// wins, a repeated or an earlier one has no effect. Among authorities the
// strongest action wins. The clears of an operator's verdict void what other
// authorities said about the same target up to an (epoch, seq), for as long as
// the operator says nothing newer. A verdict lapses at its until, without a
// timer. Actions from step_up on end what is open; read_only ends what its sender
// could write by, a WebSocket, a gRPC call or an upload, and else like throttle
// only changes the standing of what comes. Suspend ends what the gateway itself no
// longer allows, without a verdict, and Expire what has outlived its credential.
//
// # Concurrency
//
// A Table is safe for concurrent use. Each name lives in one of 64 shards and each
// party in one of 64 groups, with one mutex each, and no mutex is held while another
// is taken or a visit is cancelled.
//
// A verdict that arrives while a request is being registered is seen by one of the
// two. A party is listed under all its names before it has a visit, and a visit is
// listed with its party before anybody asks for its standing. Apply stores the
// verdict, then moves the table's generation on, and only then looks for parties and
// their visits. A visit that it does not find was listed later, and so reads the new
// generation: what its party knew of its standing is then looked up anew. Between the
// first two steps nobody goes by what he knew, so that a verdict comes into force for
// all at one moment.
//
// # Non-obvious
//
// A party stays listed after its last visit has left, because to list it costs twenty
// times what the request costs that finds it; which ones stay is bounded. Live and
// Touched show visits only.
//
// A token remembers the party that came last with it ([Memo]), because to find it by
// its names costs more than all else that a known token needs. What the token does not
// say is compared each time, and its standing is that of the party: a Memo knows
// nothing about verdicts.
//
// Of a verdict only what a request may need is kept, and its target as a hash: most
// verdicts never meet anybody. Which target it was is known again from the name by
// which a visit met it.
//
// A lapsed verdict still replaces an earlier one of the same authority: else the
// earlier one, replayed with a later until, would come back to life. For the
// same reason a lapsed verdict is remembered for a while.
//
// A verdict about an account meets the attempts to sign in to it and nothing else:
// no session carries its account. Anybody can bring one about, from a dozen
// networks, so that it must not reach what its owner has open; that he cannot sign
// in anew while it stands is what it costs him.
//
// A person's token without auth_time stays subject to a cut-off (not_before)
// until the verdict lapses: its iat only says that a refresh token was used, and
// the thief may hold that.
package session
