package scorer

import "github.com/vigil-gateway/vigil/scorer/evidence"

// unprovenShare is how much counts of what an event says whose producer nothing
// proves: somebody may have written it to have its subject cut off. Such an event also
// confirms nobody, and keeps its session from teaching.
const unprovenShare = 0.5

// discount takes the findings of such an event for less.
func discount(findings []evidence.Finding, unproven bool) {
	if !unproven {
		return
	}
	for i := range findings {
		findings[i].Nats *= unprovenShare
	}
}
