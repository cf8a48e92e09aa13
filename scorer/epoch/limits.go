package epoch

import "time"

const (
	// Every is after how much stream time the next epoch is built.
	Every = 24 * time.Hour
	// lookEvery is how often it is looked whether one is due.
	lookEvery = time.Hour
	// ShiftAlarm is the shift from which an alarm is due.
	ShiftAlarm = 0.25
	// Habits is how many categorical habits have a concentration of their own.
	Habits = 8
	// TenantBytesMax bounds the name of a tenant.
	TenantBytesMax = 1 << 10
	// DetectorsMax is how many detectors of a tenant are shared: one for each of four
	// sensitivities and three kinds of subject, or as many classes of routes.
	DetectorsMax = 12
	// RowsMin is from how many rows on a detector of an epoch may score: half of them
	// teach before the others say what is normal.
	RowsMin = 1024
	// WatchedColumns is of how many columns of a detector, the first ones, a shift is
	// taken: those of requests and sessions. The others are measured against habits of
	// subjects, and move for weeks while an installation gets to know its people.
	WatchedColumns = 8
	// NameBytesMax bounds the name of a detector.
	NameBytesMax = 256
	// BytesMax bounds a sealed summary or epoch: four bytes a slot and the tails,
	// 256 KiB, and 53 KiB a detector. With its key it fits into a batch of
	// 1 MiB, the most that a broker takes unless it is told otherwise.
	BytesMax = 920 << 10
)
