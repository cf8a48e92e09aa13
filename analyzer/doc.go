// Package analyzer is the policy decision point's runtime: it scores what the
// gateways saw and tells them whom to stop trusting.
//
//	[vigil.requests] --> ingest ⇄ scorer --> announce --> [vigil.verdicts] --> gateways
//	                       │  ⇅ state             ▲
//	                       ▼                      │ operators' envelopes
//	              [vigil.assessments]         admin port: /livez /readyz /metrics /v1/verdicts /v1/held /v1/release
//	                       │
//	topics ------------> store --> ClickHouse
//	ingest --> [vigil.facets] --> ingest ⇄ scorer/facet --> announce, as above
//	ingest ⇄ epochs ⇄ [vigil.control], and control records in [vigil.requests]
//
// # Contract
//
// [New] opens the admin port and reads keys and model; it needs neither Kafka
// nor ClickHouse. [Analyzer.Run] works until its context ends and outlives the
// absence of both: without Kafka nothing is scored and readiness says so,
// without ClickHouse scoring and verdicts go on and storing catches up later.
//
// # Concurrency
//
// Run is called once. Reload, AdminAddr and the admin port may be used at any time.
//
// # Non-obvious
//
// Without a model file the built-in model is in force, which observes only: a
// fresh installation scores and records, and ends nobody's session.
//
// The lanes have to be as many as the gateways', and the tenant key the same:
// together they say in which partition a key of a warm start lives.
package analyzer
