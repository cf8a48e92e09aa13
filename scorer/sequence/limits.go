package sequence

// Limits of what is remembered, and when it is enough to speak.
const (
	// HabitSlots bounds the symbols and pairs of a subject; the rarest of a
	// bucket of eight gives way. At 3 B each they are at most 2,304 B, which few
	// people fill. With 448 slots up to a tenth fewer thieves are recognised, for it is
	// the owner's rare habits that give way; a thousand and more gain hardly anything.
	HabitSlots = 768
	// PriorSlots bounds the symbols and pairs of a tenant, at 3 B each.
	PriorSlots = 1 << 15
	// PendingMax bounds the events of a session that wait to teach.
	PendingMax = 64
	// Lag is how many later events must stay clean before an event may teach.
	Lag = PendingMax - 1

	// GivenMax bounds the events a day that one subject adds to what his tenant
	// shares: a robot or an attacker must not write everybody's prior.
	GivenMax = 400

	// HabitEventsMin is how many events a habit must have been taught, and
	// PriorEventsMin a prior, before a session is judged by them.
	HabitEventsMin = 300
	PriorEventsMin = 2000
	// ShiftEventsMin is how many events of either side tell a shift from chance:
	// at 4,000 each chance alone says 0.03.
	ShiftEventsMin = 4000
	// JudgedMin is how many events of a session must have been judged before its
	// peak says what clean sessions reach: short ones reach nothing.
	JudgedMin = 32
	// resetMax is how many slots a habit has room for whose memory is used again.
	resetMax = 64
)
