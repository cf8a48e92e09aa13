// Package judge adds evidence up over a session and decides what to ask for.
//
//	[]evidence.Finding --> Weigh --> score --> Step (CUSUM) --> ladder --> scope --> Proposal
//
// # Contract
//
// The nats of the weighed evidence sum to the score. A proposal is a function
// of the records alone; its id of topic, partition, offset and target. Only
// evidence whose ceiling allows an action counts towards revoke and block; hard
// facts floor a revoke. The target is the narrowest that the evidence supports:
// a token whose binding failed before its session, a session before a
// device that showed several, a device before its subject. Devices and addresses
// belong to whoever sees all of their subjects, so only who shows no credential is
// judged by his address here, and what speaks against a device goes to the facet
// stage, which alone writes verdicts about it.
//
// # One unit
//
// Evidence of different groups may be added only where a nat means the same in
// each. What a group gains in a block of a session, each signal by its maximum
// once and as far as it exceeds what it has counted before, is made the
// logarithm of an e-value (Vovk and Wang, Annals of Statistics 49, 2021):
//
//	L = temperature × (gain - rent),  mean of exp(L) ≤ 1 on clean data
//
// for each group, each kind of subject and each circumstance of theirs, and for
// the sum of all groups. A block without a finding is itself evidence, ln((1-a)/(1-c))
// where an attacker's blocks show one at rate a and honest ones at rate c < a;
// evidence that only ever adds counts the findings of the honest and not their
// silence. The rent is that silence: each block takes so much from the group's
// own suspicion, never below the floor. It is charged by the stream clock and
// to its own group, so friendly requests buy nothing back, and neither does the
// calm of another group. Where much is held the decay by half-life takes more
// than the rent and counts for it: an acute case costs no rent.
//
// Signals of one actor depend on each other, and their tails are guesses, so no
// rent alone bounds the mean: a finding of 12 nats in 10,000 blocks outweighs
// them all. The temperature is the exponent at which the bound holds. It exists
// as soon as rents exceed mean gains, and it is no knob: suspicion and
// thresholds stay in the nats of the evidence. It says what a threshold h is
// worth: max(0, W+L) is then an e-detector (Shin, Ramdas and Rinaldo, New England
// Journal of Statistics in Data Science 2, 2024), whose average run length to h is
// at least exp(temperature × h) blocks of one actor. No more is claimed; rates
// of false alarms come from the fit to days (package budget).
//
// Whatever a signal's formula says, no likelihood ratio exceeds one over the
// probability of the finding on an honest day. Where a share of a tenant's days,
// beyond what an attacker may own of them, shows a signal at least as strongly, it
// says at most the logarithm of one over that share ([entity.Prevalence]): so a
// signal that suits an application badly is quiet there within days, although no
// session of it is ever clean enough to teach. What people prove or fail to prove
// (credential, binding) and attacks by their payload are not counted so.
//
// Within a circumstance that is itself what a group looks for, the bound cannot
// hold: of who travels, a new country is no news. Those are shown, and not
// promised.
//
// # Concurrency
//
// Nothing here is safe for concurrent use; one engine owns its state.
//
// # Non-obvious
//
// The same fact seen in request after request counts once: a signal adds to the
// suspicion only by how far it exceeds its own decayed peak. Signals that renew
// are fresh samples in each block of a session and count once per block.
//
// Who has proven himself is not asked again for what he has answered, although
// it still counts towards a revoke.
//
// A verdict about one token leaves its session free of what it rested on: the
// next token, rightly proven, is met by nothing.
package judge
