package anomaly

import "time"

// idleFor is how long a detector must not have been asked for before another may
// take its place: what took days to learn is not pushed out by whatever comes by.
const idleFor = 24 * time.Hour

// Limits of detectors.
const (
	// Every is of how many requests one is looked at.
	Every = 8
	// learnedLeast is how many rows a detector must have learned, and normalLeast
	// against how many scores one is ranked, before it says anything.
	learnedLeast = 512
	normalLeast  = 200
	// dimensionsTold is how many dimensions the text names, and shareLeast from
	// which share of the score on.
	dimensionsTold = 2
	shareLeast     = 0.2
)
