package ensemble

// Limits of the models that a risk model brings.
const (
	// Max bounds the models of a risk model: each is asked about each request.
	Max = 8
	// NatsMax is the most that one says, in nats.
	NatsMax = 20
	// PointsMax bounds a table of margins and nats.
	PointsMax = 64
	// StatesMax bounds the calibrations that one engine keeps, one for each
	// tenant and model; the least recently used go first. Each takes about 40 KB.
	StatesMax = 256
	// normalLeast is against how many clean scores one is ranked before it says
	// anything.
	normalLeast = 200
	// reasonsTold is how many features the text names.
	reasonsTold = 3
	// faultsMax bounds the faults that are told about one file.
	faultsMax = 8
)
