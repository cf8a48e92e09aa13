// Package budget turns the budget of an operator, so many false alarms per
// 10,000 subject-days, into the threshold of a rung of the ladder.
//
//	suspicion after each event --Collector--> maxima per subject and day --Fit--> Tail --Level--> threshold
//
// # Contract
//
// A [Collector] keeps, for each kind of actor or facet and each rung, how many clean
// subject-days (of a facet, its own days) it saw whole and the largest of their maxima; memory is bounded by the
// subjects of one day and by [MaximaMax]. A day in whose middle the history begins or
// ends is left out and counted. A [Tail] is a generalised Pareto
// distribution fitted to those beyond a high level (peaks over threshold). The
// same samples in the same order give the same bytes.
//
// # Concurrency
//
// A Collector belongs to one goroutine. A Tail is a value.
//
// # Non-obvious
//
// The sample is the day's maximum and not each event: suspicion is strongly
// correlated from event to event, and a budget counts days. Gather it while the
// model observes: where verdicts act, they cut off the very days that matter. Such days
// are marked and censored, which keeps a fit right as long as enough of the large days
// were not cut; where all are, [Fit] says that it knows too little.
//
// Beyond the data a fit is a promise, not a measurement. [Tail.Level] says how
// far beyond: "extrapolated" is how often the asked level is rarer than
// anything that was seen.
package budget
