package budget

// Limits of what is kept and of what a fit needs.
const (
	// MaximaMax is how many of the largest maxima are kept per kind and rung.
	MaximaMax = 8192
	// SubjectsMax bounds the subjects whose day is open; beyond it the days of
	// all are closed early, which counts days short and so errs to caution.
	SubjectsMax = 2_000_000

	exceedancesMin = 30
	exceedancesMax = 400
	daysMin        = 300
)
