package benchgateway

import "time"

// Bounds of what is waited for; generous, because no figure depends on them.
const (
	startMax  = 3 * time.Minute
	stopMax   = time.Minute
	answerMax = 10 * time.Second
	settleMax = 3 * time.Minute
	lookGap   = 50 * time.Millisecond
)

const (
	// answerBytesMax bounds an answer of a target.
	answerBytesMax = 16 << 10
	// tailBytes is how much of a program's log an error shows.
	tailBytes = 4 << 10
	// bodyBytes is what the service answers with.
	bodyBytes = 1024
)

// Bounds of [Options].
const (
	RepetitionsMax = 100
	SecondsMax     = 60
	TokensMax      = 16_000 // The gateway's cache of verified tokens holds 16,384 by default.
	RevokedMax     = 400_000
)
