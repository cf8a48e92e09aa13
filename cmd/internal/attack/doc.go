// Package attack plays named attacks on the invented users of an installation
// that "vigil up --people" started, and measures what the attacker got.
//
//	person's own visit ─► first suspicious event ─► intruder ─► gateway ─► … ─► refused, cut
//	                                                  └► Round (counts) ─► Report ─► promise kept?
//
// # Contract
//
// The intruder's own client counts: a request counts as his where the service
// answered it, also in part and also one that was on its way while the verdict
// was; bytes are those of bodies that reached him. He is stopped when the door
// stays shut: after the first refusal he comes back, and every try is refused.
// To be slowed down is not to be stopped. ClickHouse is asked only for the
// verdict's name and the time from event to cut, which change no count.
//
// Scripts run at full speed where a script would be used; whoever is at
// somebody's desk works at a person's pace. A person is attacked once in the
// life of an installation, since suspicion lasts.
//
// Nothing here knows a signal or a threshold of the scorer.
//
// # Concurrency
//
// Rounds of one scenario run beside each other as far as the scenario allows;
// those that are about full speed take turns while they attack. A [Campaign]
// runs one scenario at a time.
package attack
