// Package guard keeps one address from taking what is there for everybody.
//
//	listen ──── Connect ───────────────► Budgets: connections, handshakes
//	gateway ─── Enter, Owes, Spend ────► requests, resets, sign_ins, sign_in_calls, logouts
//	identity ── Enter, Owes, Spend ────► failures, introspections
//
// # Contract
//
// An address has two kinds of budget: how much it may hold at once (a [Level]) and
// how much it may do in a time (a [Rate]). What is over a budget is refused with an
// [Error] that names it; nothing else changes for the address, and it may go on as
// soon as it holds less or time has passed. The address is the one that gateway/origin
// finds, an IPv6 network of 64 bits counting as one; trusted proxies, and whom the
// configuration exempts, have no budgets.
//
// The defaults are for a house of a thousand people behind one address. They do not
// stop a botnet, and are not meant to: who it is that asks too much is for the
// analyzer to say. They see to it that one machine cannot use up what the gateway has
// for all.
//
// # Concurrency
//
// [Budgets] are safe for concurrent use; each address is in one of 64 shards, and a
// call takes one mutex once. A nil *Budgets limits nothing.
//
// # Non-obvious
//
// The table is bounded, and an attacker with many addresses can fill it. Then an
// address that holds nothing is forgotten for a new one, of a sample that with the
// least debt; where all hold something the new one is not counted, which is counted:
// the limits over all of gateway/listen and gateway/session stand behind this one.
//
// What is over a rate does not deepen its debt: else a client that goes on asking,
// and everybody behind the same address, would never be let in again.
package guard
