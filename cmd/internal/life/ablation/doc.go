// Package ablation asks of every signal whether it earns its place.
//
//	for each signal, and each group: the model without it
//	    ├─► soak, attackers mixed in   attacks caught, requests until then, false alarms
//	    └─► scenarios                  stories that end otherwise
//
// # Contract
//
// Every run sees the same history, which follows from the seed, and the same
// thresholds. A signal earns its place where without it an attack is missed or
// met later, or a story ends otherwise; what it costs is the false alarms that
// go with it. Nothing here chooses: the table is for people.
//
// # Concurrency
//
// [Run] is one loop; runs share nothing.
package ablation
