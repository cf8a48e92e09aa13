// Package labels turns what people say about verdicts, false alarm or confirmed,
// into proposed weights of the groups of evidence that the verdicts rested on.
//
//	labels (NDJSON) --Parse--> []Label --Propose--> Proposal --Lines--> a model file, by a person
//
// # Contract
//
// A proposal changes nothing: it is text that a person puts into the model file,
// which then has another digest, and [model.Model] refuses a weight beyond its
// bounds whoever wrote it. Only labels of verdicts that the given model itself
// has made count, so that the same labels never move a weight twice: once it has
// moved, the model is another. Hard facts are not weighed, and a verdict that
// rests on one teaches nothing here.
//
// However many labels there are and whatever they say, one version moves a
// weight by at most [StepMost] of itself, and all versions together stay within
// [model.GroupWeightLeast] and [model.GroupWeightMost]. The same labels in any
// order give the same proposal.
//
// # Method
//
// Each verdict counts for its groups by their shares of its nats, all verdicts
// about one subject together as one, and the latest label of a verdict is its
// only one. In each group the confirmed c and the false alarms f have Beta prior
// ([Prior], [Prior]); ln((c+Prior)/(f+Prior)) with standard error
// sqrt(1/(c+Prior) + 1/(f+Prior)) approximates the posterior log-odds (Woolf
// 1955; Gart and Zweifel 1967). What of it is beyond [Doubt] standard errors, in
// nats, is what the group's usual evidence in these verdicts should say more or
// less, and the weight changes in that proportion.
//
// # Concurrency
//
// Pure functions.
//
// # Non-obvious
//
// Even odds are where a group stays: a verdict is worth its trouble as long as it
// is right as often as wrong. How many false alarms there may be at all is not
// asked here but of the budget, so thresholds should be fitted again after a
// weight has risen: the mean of exp(nats) on clean data rises with it.
package labels
