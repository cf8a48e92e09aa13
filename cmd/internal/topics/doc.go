// Package topics makes sure that Vigil's topics exist in a Kafka cluster as
// package topic lists them.
//
//	schemas/topic (data) --> Plan (what is missing, what is wrong) --> Ensure (create) --> Kafka
//
// # Contract
//
// Ensure creates what is missing and changes nothing that exists. Topics whose
// partitions belong together (requests, assessments, verdicts) are created with
// as many as the existing ones have. Everything that is wrong is reported at
// once, each fault naming its topic and what to do.
//
// # Non-obvious
//
// kafka-go reports a refused topic in the answer, not as an error. Two
// processes may start at once: a topic that somebody else has just created is
// looked at, not complained about.
package topics
