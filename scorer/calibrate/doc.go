// Package calibrate makes the scores of models comparable: raw scores become
// surprise, p-values and evidence.
//
//	model --raw--> Ranker --nats--> Merge --score--> Conformal --p--> Evidence --nats--> judge
//
// # Contract
//
// A model's raw score is only ever ranked against that model's own past, never
// added to another's. Everything is a pure function of the scores and their
// order, of the seed and of the stream's clock; memory is bounded.
//
// # Concurrency
//
// A Ranker and a Conformal belong to one goroutine; the functions are pure.
//
// # Non-obvious
//
// A Ranker learns from what its caller lets it learn. Where a gate keeps
// strange rows out, its tail is that of the accepted rows.
package calibrate
