// Package sequence finds a takeover in the middle of a session: the same
// account, the same network, but another person's order of doing things.
//
//	symbol --Watch.Step(habit, prior)--> nats --own mean, own spread--> CUSUM --Curve--> nats of the takeover
//	            |                                                        |
//	            '--pending, 64 events--> Watch.Teach --> Habit           '--clean session maxima--> Tail --Fit--> Curve
//
// A [Symbol] is what was done: the hash of a path template with its method. A
// [Habit] is what a subject does, a [Prior] what the tenant's people do, a
// [Watch] what one session does. Per event the evidence is
//
//	ln p(x | prev, tenant) - ln p(x | prev, subject)
//
// with hierarchical Dirichlet back-off (MacKay and Peto 1995): subject's pair,
// subject's symbol, tenant's pair, tenant's symbol, unseen.
//
// # Contract
//
// The engine keeps a Habit with the subject, a Watch with the session and one
// immutable Prior and Curve per tenant and epoch. For each request it calls
//
//	step := watch.StepAmong(subject.Sequence, epoch.Prior, sequence.SymbolOfRequest(method, template), arriving)
//	nats := epoch.Curve.Nats(step.Level) // Adds by how far it exceeds its peak, as any signal does.
//	watch.Teach(subject.Sequence, sequence.Lag, tenant.Shared)
//
// and Teach with 0 when the quarantine of a session has ended clean, Forget
// when a verdict names the session, Rest when the person has proven himself,
// Continue when a new session takes the place of one. Habit.Day follows the
// stream clock. Once a day, or when the subject has gone on to another session,
// the Watch.Peak of a clean session goes into the tenant's Tail; what all
// partitions have [Shared] merges into the next epoch. Nothing here returns a
// NaN.
//
// # Concurrency
//
// A Habit, a Watch and a growing Prior belong to one goroutine. A Prior that
// nobody adds to, and a Curve, may be read by many.
//
// # Non-obvious
//
// The level is counted in spreads of the subject's own blocks of a hundred
// events. An event's own variance is no measure: people repeat themselves, so
// a hundred unusual events in a row are one unusual hour. A habit that is not
// yet known, or a tenant that is not, gives 0 and no reassurance.
package sequence
