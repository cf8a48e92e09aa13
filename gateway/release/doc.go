// Package release knows up to where the analyzer has scored what this gateway
// emitted, how stale each lane therefore is, and lets responses wait until their
// own event is scored.
//
//	gateway/emit ── Issued(lane, number, time) ──► Positions ◄── Scored(beat) ── gateway/revoke
//	gateway (posture, health) ◄── Staleness ───────┤
//	gateway (release barrier) ◄── Wait ────────────┘
//
// # Contract
//
// A lane's staleness is the age of its oldest record that is not scored, never
// that of a heartbeat: 0 where all are. It is never too young, and too old by less
// than [markGap], or where the lane is far behind by an eighth of how far it was.
//
// Wait returns nil only once a position at or behind the number that is waited for
// has been believed. It never waits longer than it is told, and not at all where
// [Config] allows no more to wait.
//
// A heartbeat that claims more of any lane than was issued moves no lane: whoever
// signs it is broken or lies. Positions of other gateways and of earlier lives of
// this one are none of ours and are passed over.
//
// # Concurrency
//
// A [Positions] is safe for concurrent use. Numbers of one lane are issued in order,
// which emit's mutex of the lane sees to. Each lane has a mutex of its own, and
// nothing waits while it is held.
//
// # Non-obvious
//
// What is waited for covers the verdicts too, because they stand before the
// heartbeat in the same partition, and revoke brings them into force in that order.
// It covers those of the subject stage alone. What the facet stage finds over many
// subjects (stuffing, botnets) is judged later and elsewhere, and so is what can be
// known only from a whole answer, such as its size.
//
// Ticks have numbers like events, so that an idle lane shows that it is scored, and
// that it no longer is, within seconds and without a request that pays for it.
package release
