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
	// BytesMax bounds a sealed summary or epoch: four bytes a slot, and the tails.
	BytesMax = 256 << 10
)
