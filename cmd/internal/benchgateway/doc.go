// Package benchgateway measures the gateway that ships beside HAProxy, nginx
// and Envoy, on the same work and in the same run.
//
//	load (generator) ─► one proxy on a processor of its own ─► nginx (upstream)
//	                         └─ Vigil only: events ─► vigil up (Kafka, analyzer, ClickHouse)
//
// # Contract
//
// Every target must answer 200 to a good token and 401 to a bad one and to
// none before it is measured. Targets take turns within a repetition, the order
// moves on with each and is reversed in every second one, and a figure is the
// ratio of two measurements of one repetition: these machines are noisy, and
// only such ratios hold. Vigil runs its default configuration; what has no
// default (addresses, keys, issuer, route) is all that is set. At the end every
// request that Vigil was sent must be one row in ClickHouse, or, of the gateway whose
// latency is measured beside a broker alone, one event in Kafka. A peer that is not
// installed is named as missing and not left out.
//
// # Concurrency
//
// [Run] owns everything that it starts. The generator is one thread, so that it
// takes as little as can be from the upstream and the engines beside it.
//
// # Non-obvious
//
// Two targets are there to tell how far down a figure can go: nginx and HAProxy
// without any check, and [Floor], which is net/http's server before the gateway's own
// client for upstreams and nothing else.
//
// A target's processor time is read only when its events have been
// acknowledged: what a request causes is counted, also when it comes later.
// Engines run at a lower priority than upstream and generator, because on a
// machine of two processors they would have one of their own elsewhere; while
// latencies are measured, they run only when nobody else wants to.
//
// A process inherits the processors of the thread that starts it, and is
// killed when that thread ends: so every process has a thread here that waits
// for it.
package benchgateway
