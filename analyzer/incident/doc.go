// Package incident gathers findings into incidents: one botnet or one campaign is
// one of them, however many verdicts it brought about.
//
//	verdicts, what waits --Finding--> Book --Entry--> log (analyzer/store) --> view incidents
//	vigil incidents assign|close|note --Word, signed--> table incident_words --^
//
// # Contract
//
// Two findings belong together where the same target, session or subject is in
// both, else where what they share says so: each thing that a finding shows adds
// the logarithm of how much more often the incident's findings show it than the
// tenant's people do (Fellegi and Sunter 1969), and the sum must reach [LinkNats].
// What everybody shows, such as the JA4 of a browser or the address of an office,
// adds next to nothing, and what nobody else shows is enough.
//
// A [Book] is a function of the findings it was given, in their order, and of which
// incidents were closed by then: the same give the same incidents with the same
// ids. A finding that it knows is not taken again. Every decision is an [Entry]:
// [Book.Apply] with the entries in their order makes the book that wrote them.
//
// A closed incident takes no more findings; what goes on begins another. So does
// what comes back after [Quiet].
//
// # Concurrency
//
// A Book belongs to one goroutine. It reads no clock and draws no random number.
//
// # Non-obvious
//
// A botnet shows a new address with each finding, so a new one must not speak
// against it: how often an incident's next finding shows something new is
// estimated of how many were seen once (Good 1953), for each kind of thing apart.
//
// Two incidents that one finding fits are not one for that: both may have tried the
// same account. They are merged where their own findings show the same.
package incident
