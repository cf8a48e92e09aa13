// Package takeover measures on real command logs how soon another person in
// the middle of a session is recognised by what he does.
//
//	logs --read--> people --replay--> gains of each command --held, sweep--> Report
//	                 '--splice: the tail of one joined to another's session--^
//
// # Contract
//
// [Run] reads two sets below a directory: masquerade-schonlau (25 people,
// 15,000 commands each, strangers' blocks of 100 labelled for five of them) and
// unix-user-data-purdue (8 people). A command stands for a request to one path
// template. Everything is prequential: a person's model learns from his past
// alone, a thief's commands teach like any other, and nobody is ever cut; but in
// the rows that say answered each alarm ends as a step-up does, and a stranger who
// fails it has taught nothing since and is out until his next block. The
// tenant's prior is made of the first 2,500 commands of every other person;
// where a splice is judged with a stranger, the thief's are left out too. One
// configuration serves both sets. The same data give the same report to the
// last bit; its hash covers the raw scores.
//
// The rows that count are [Held]: their thresholds come from the first half of
// everybody's clean days, by the tail fit that the product uses, and false alarms
// and takeovers are counted on the second half, by the mean of the two tests that
// ships. Rows that say hindsight have the threshold of the first test alone set on
// what is counted: they show what a perfect threshold would buy.
//
// # Concurrency
//
// Run is one goroutine's; it shares nothing.
//
// # Non-obvious
//
// A subject-day is a hundred commands, as a hundred requests make one in the
// budget of false verdicts. One false cut in 10,000 subject-days is therefore
// one in a million commands, more than both sets hold: that row of the table
// rests on the fitted tail, and says how far beyond the days that made it. The labelled part has fifty takeovers and 45,000
// clean commands, so one burst of honest new work moves it by several percent:
// read the splices first.
package takeover
