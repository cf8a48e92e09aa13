package budget

import "time"

// Limits of what is kept and of what a fit needs.
const (
	// MaximaMax is how many of the largest maxima are kept per kind and rung.
	MaximaMax = 8192
	// SubjectsMax bounds the subjects whose day is open; beyond it those that come
	// later on a day are not gathered on it.
	SubjectsMax = 2_000_000

	exceedancesMin = 30
	exceedancesMax = 400
	daysMin        = 300
	peakSteps      = 40
	scaleSpan      = 50 // How far the likeliest scale may be from the mean excess.

	// edge is how much of a day may lie outside the history at either end.
	edge = int64(time.Hour)
)
