// Package rules runs the custom rules of a risk model: expressions over an
// event and what is known about its actor, written in the Common Expression
// Language.
//
//	Spec --Compile--> Rule --> Set.Find(Input) --> []Finding --> judge
//
// # Contract
//
// A rule is compiled once and checked whole at load: types, names, regular
// expressions, and the worst case of its cost against the limit that the model
// declares. The same limit is enforced while it runs. A rule that exceeds it or
// errs has found nothing: that is missing evidence, it is counted in
// [Set.Counts], and it fails nothing.
//
// An expression is a pure function of its input. There is no clock, no random
// number, no time zone and no walk over a map, whose order Go does not define;
// what remains of the language answers the same on every machine. Texts longer
// than [TextBytesMax] and lists longer than [ListMax] are cut before an
// expression sees them.
//
// # Concurrency
//
// A Rule is immutable and safe for concurrent use. A Set belongs to one engine
// and one goroutine.
//
// # Non-obvious
//
// A regular expression must be a literal, so that it is compiled at load and
// never made from what a client sent.
//
// The number of a rule is a hash of its id and not its place in the file, so
// that what it has counted in a session survives a model in which another rule
// stands before it.
package rules
