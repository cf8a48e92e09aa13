// Package panther plays the tests of a public rule set, that of Panther, as
// events of a gateway, and says which of them come out right.
//
//	rule_tests.jsonl.gz --toEvent--> event --scorer--> Report --> vigil bench data
//
// # Contract
//
// A test is one log event of a service, and whether a rule is to speak about it.
// A rule is mapped where its truth lies in what a gateway before that service
// sees: who asked, from where, by which client, for which operation on what, by
// which sign-in and factors, with which answer, and what a firewall said of the
// request. Then all of its tests count. Unmapped are the rules whose truth lies
//
//   - in bodies: old and new values of settings, policy documents, scopes,
//     parameters that travel in a body;
//   - in what another product concluded: risk scores, threat lists, leaked
//     passwords, suspicious sign-ins, statistics in place of events;
//   - in systems to which no such request leads: mail, DNS, devices, workflows;
//   - in the audit trail of a service's own settings, where the log names a change
//     and not the request that made it;
//   - in a log without an address, where the rule is about who tries many accounts;
//   - in a note that something ordinary happened, such as any sign-in.
//
// A mapped rule is answered by a signal of the scorer's own, or by a rule that an
// operator writes: lists of operations, regions and accounts are his to know, and
// testdata/models/panther.yaml has them as he would write them. The two are
// counted apart, because the second says that the language of rules is enough and
// little about detection. A positive test is right where the signal speaks and
// the ladder acts, or the operator's rule speaks; a negative one where nothing
// acts, or that rule is silent.
//
// # Concurrency
//
// Run has one user at a time.
//
// # Non-obvious
//
// Rules about guessing count to a threshold; their event is replayed as often as
// the set's own rule asks for, six seconds apart, since somebody types. The rule
// about stolen sessions has the session's past as a mock that the set does not
// hold; it is made up here from the test's name.
//
// The operator's rules were written with the tests at hand, as the rules of the
// set were.
package panther
