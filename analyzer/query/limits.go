package query

// Limits of one question.
const (
	// RowsMax bounds an answer; what lies beyond is left out, and Run says so.
	RowsMax = 10_000
	// SecondsMax bounds how long the server may work on it.
	SecondsMax = 60
	// ValueBytesMax bounds the value of a parameter.
	ValueBytesMax = 4 << 10
)
