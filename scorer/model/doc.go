// Package model reads the risk model: which signals count, how much, and what
// follows from them.
//
//	model.yaml --Parse--> Model --> evidence, judge
//
// # Contract
//
// [Parse] reports every fault at once, each as file:line:column: key: what is
// wrong. What a file leaves out keeps its value of default.yaml, the model that
// ships. [Model.Digest] names the effective model: two files that mean the same
// have one digest, and it travels in every verdict.
//
// # Concurrency
//
// A Model is immutable once parsed and safe for concurrent use.
//
// # Non-obvious
//
// Lists that name their entries replace only the entries they name, so a file
// of three lines can turn one signal off. A ladder's rungs are replaced whole.
//
// An exception holds by the stream clock, from one moment to another, so that a
// replay excepts what was excepted. Parse asks no clock: that one has expired is
// for [Model.Expired] to say, with a time that the caller brings.
//
// The budget moves the threshold of each rung that has a tail, which says how
// suspicion is distributed on clean subject-days ([budget.Tail]); a rung that
// names its threshold keeps it whatever the budget. The digest covers thresholds
// and budget.
package model
