// Package epochs carries what partitions have learned to where it is merged, and
// the shared epochs back.
//
//	ingest.worker --Publish--> [vigil.control] summaries --follow--> build (owner of partition 0) --> [vigil.control] epoch
//	ingest.worker <--Find-- follow <------------------------------------------------------------------------'
//	        automatic, or Promote (an operator's order) --> [vigil.control] activation
//	                        [vigil.requests], every partition: signed control record that names number and digest
//
// # Contract
//
// A summary is keyed by tenant and partition, an epoch by tenant, number and
// digest; the last [keptMax] epochs of a tenant stay in the topic, and those that
// were in force for [keptFor] after they were replaced, longer than requests are
// retained: who retains those for more than seven days makes epochs rarer. An epoch is in the topic before any control record names it. Whoever
// owns partition 0 of the requests builds; should two do it for a while, each
// partition takes the first epoch of a number that it is told of, and its records
// say which. Before its first act it reads what stands in vigil.control.
//
// An epoch that is built is a candidate. With automatic promotion it is put in force
// at once, with manual promotion by an operator's signed order ([Exchange.Promote]),
// which names what it replaces and so is carried out once. What is in force stands in
// vigil.control, signed, before any partition is told, and a new leader repeats it.
// Going back to an earlier epoch puts its content in force under a new number and
// holds automatic promotion until somebody promotes a later one.
//
// Promotion is a setting of the analyzer and no part of the risk model: the model
// says what evidence is worth, and its digest stands in every verdict, whoever
// promotes; the epoch that scored stands beside it.
//
// A worker does not go on past a control record whose epoch it cannot get:
// [Exchange.Find] waits for a bounded time, and its error ends the worker, so
// that a partition stops rather than scores what a replay would not. A control
// record that no analyzer has signed is believed by nobody ([Exchange.Believe]).
//
// Summaries are believed as far as the topic's writers are: let nobody but
// analyzers write to vigil.control.
//
// # Rotation of the analyzers' key
//
// Control records and verdicts are retained longer than the change of a key
// takes. The new public key is listed first, everywhere; then the analyzers are
// started again with the new private key; the old public key stays listed until
// no record that it signed is retained, seven days by default. Where it leaves
// sooner, or was lost, a partition that is scored again from its records passes
// over the control records that it signed, counts them (result "key_gone") and
// warns: the epoch that they named is not in force there, until the owner of
// partition 0 says under the new key what is, which it does as soon as it begins
// to lead. A record that is signed wrongly by a key that is listed is poison.
//
// # Concurrency
//
// All methods are safe for concurrent use; [Exchange.Run] is called once.
//
// # Non-obvious
//
// When an epoch is built depends on the wall clock and on who owns what. That
// does no harm: what it is in each partition's order is the control record's.
// Going back does not make the live twins forget: what poisoned the later epoch
// fades from them by the risk model's learning.half_life, and candidates hold it
// until then. Their shift from what is in force says how much of it is left.
//
// Analyzers before the second layout of epochs cannot read it: their partitions stop
// at its control record until they run this version.
//
// A new owner of partition 0 repeats the control records of the latest epoch,
// because the one before may have died between two partitions; a partition that
// has it takes no notice.
package epochs
