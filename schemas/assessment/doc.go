// Package assessment defines what the analyzer made of an event: all evidence
// and the score that is its sum.
//
//	analyzer/ingest --AssessmentBatch--> topic "vigil.assessments" --> analyzer/store, the user's other systems
//
// # Contract
//
// The nats of an assessment's evidence sum to its score. One record holds the
// assessments of a range of offsets of one source partition; a repeated range
// is byte-equal, so a reader keeps the highest offset it has taken per source
// partition and drops what is not above it.
package assessment
