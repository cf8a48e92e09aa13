package forest

// Limits of the state and of what comes in.
const (
	// ColumnsMax bounds a row. State grows by about 9 KB a column, and by the
	// square of the columns for their relations.
	ColumnsMax = 1024
	// valueMax is where a value is cut, so that sums of squares stay finite.
	valueMax = 1e150
	// sampleMax values of a column are kept in order, a uniform sample.
	sampleMax = 512
	// extremesMax values of each tail are kept.
	extremesMax = 64
	// memoryMax rows are remembered.
	memoryMax = 256
	// echoMax strange rows are remembered.
	echoMax = 64
	// repeatsMax of the latest rows are compared with the next.
	repeatsMax = 64
	// ageRows is how many rows weigh before the weight of the past halves.
	ageRows = 1 << 18
)

// The one configuration, for every table.
const (
	deviationMax = 1e6   // Where a deviation is cut, in spreads.
	still        = 1e-12 // Relative spread below which a column is constant.
	spreadFloor  = 0.3   // Least spread, as a share of the plain deviation.
	clipFrom     = 16    // Values before clipping begins.
	levelStep    = 0.1   // Of the running level.
	predictFrom  = 32    // Values before a level may be followed.
	warmRows     = 256   // Rows before the gate closes.
	rankFrom     = 8     // Rows before the members are ranked.

	// Few neighbours see what lies between clusters, many see what lies
	// outside of all although it has company.
	neighboursNear = 10
	neighboursFar  = 40
)
