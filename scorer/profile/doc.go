// Package profile keeps habits: what values an entity shows, and how much.
//
//	clean sessions --Add--> Categorical, Numeric --probability--> evidence
//
// # Contract
//
// A habit is bounded: a categorical one keeps its most frequent values and the
// mass of all others, a numeric one counts in buckets of powers of two.
// Probabilities are in (0, 1] and back off: subject to peer group, where there is
// one, to tenant to a fixed prior, each level weighing as much as its concentration
// says. Old observations fade by half-lives of the stream clock.
//
// # Concurrency
//
// Nothing here is safe for concurrent use.
//
// # Non-obvious
//
// How often an entity has shown something new before is itself a habit: who is
// on a new network every other day is not suspicious on the next.
package profile
