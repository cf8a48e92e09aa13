package admit

import "time"

// bucketsMax bounds the throttled targets that are counted at once: 4 MiB. Who
// finds no place is refused, since only a flood of verdicts fills it.
const bucketsMax = 32 << 10

const (
	// newcomersMax bounds the sessions whose places are known, about 40 MiB; a
	// session beyond is served as if it had only one place.
	newcomersMax   = 128 << 10
	newcomerShards = 64
	// placesMax is how many places of one session are known at once.
	placesMax = 4
	// newcomerHoldMax is the longest wait that people take for none.
	newcomerHoldMax = 2 * time.Second
	// newcomerIdle is after how long without a request a session is in use nowhere.
	newcomerIdle = 30 * time.Minute
	// sweepEvery is the least time between two looks for sessions to forget.
	sweepEvery = time.Second
)
