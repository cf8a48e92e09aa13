// Package feature is the table of numbers that models see: what an event is and
// what is known about its actor, each by a name.
//
//	evidence.Context --Table--> row of numbers --> scorer/ensemble, scorer/rules
//
// # Contract
//
// A feature is a pure function of the context after the signals have looked at
// the event, so that counts include it. A fact that is missing is NaN, never 0:
// trees send a missing value where their training sent it, and the expression
// of a rule that asks for it has no answer. A name means the same number for
// ever: a model that was trained on it outlives this build. Where a rule knows
// the same name, it sees the same number.
//
// # Concurrency
//
// Everything here is immutable.
//
// # Non-obvious
//
// Truths are 0 and 1, so that a model may split on them; whether a value is new
// to a subject without a habit is not known, and so NaN here, while an
// expression sees false.
package feature
