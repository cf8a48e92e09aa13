package sequence

// Limits of what is remembered, and when it is enough to speak.
const (
	// HabitSlots bounds the symbols and pairs of a subject; the rarest of a
	// bucket of eight gives way. At 3 B each they are 1,344 B of a Habit's 1,392.
	HabitSlots = 448
	// PriorSlots bounds the symbols and pairs of a tenant, at 3 B each.
	PriorSlots = 1 << 15
	// PendingMax bounds the events of a session that wait to teach.
	PendingMax = 64
	// Lag is how many later events must stay clean before an event may teach.
	Lag = PendingMax - 1

	// HabitEventsMin is how many events a habit must have been taught, and
	// PriorEventsMin a prior, before a session is judged by them.
	HabitEventsMin = 300
	PriorEventsMin = 2000
)
