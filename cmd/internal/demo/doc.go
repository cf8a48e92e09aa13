// Package demo shows the product at work: ordinary people with habits, then
// attackers, and what became of each, on a real installation.
//
//	people ─► history ─► warm-start file ─► analyzer
//	       └► live clients ─► gateway ─► … ─► verdict ─► cut ─► client saw it ─► story, summary
//	attackers ──────┘
//
// # Contract
//
// One seed decides who people are, where they live, what they do, who attacks,
// how, from where, in which order and when; only the clock is real. A person's
// history and live visits come from the same generator. The demo changes
// nothing about the scorer but its mode, enforce: the thresholds are those that
// everyone gets.
//
// The summary believes nobody but the clients: they count their own requests
// and notice for themselves when they are refused or cut. A victim whose token
// was stolen counts as compromised, not as honest.
//
// # Concurrency
//
// Each person and each attacker is one goroutine, plus one for each stream that
// is held open. [Run] returns when all have ended.
package demo
