// Package ensemble makes signals of the tree ensembles that a user has trained
// and named in the model file.
//
//	Spec, file --Compile--> Model --\
//	Context --features--> row --> trees.Bound --margin--> calibration --nats--> []Finding --> judge
//
// # Contract
//
// A model is compiled once and checked whole at load: the file, its format, and
// that each feature it was trained on is offered. What it says is a margin, and
// a margin is not evidence: it becomes nats by a table of the author's, who has
// labelled data, or else by its rank among the margins of requests that proved
// clean in the same tenant (conformal p-value; ln(κ·p^(κ-1)) less the risk model's
// look, κ = 0.3). Clean is as in package quarantine; until [normalLeast] clean
// requests are known the model says nothing. It never reassures.
//
// # Concurrency
//
// A Model is immutable and safe for concurrent use. A Set belongs to one engine
// and one goroutine.
//
// # Non-obvious
//
// A calibration is kept under the digest of the file and of the features, so
// that it survives a risk model in which something else has changed, and never
// a file that scores otherwise.
//
// Requests of a model's kinds are scored when they are complete, each by the
// whole ensemble: about 40 ns a tree. The ticks of streams are not.
package ensemble
