package verdict

import "strconv"

// Actions, weakest first: the ladder.
const (
	ActionObserve  = "observe"
	ActionThrottle = "throttle"
	ActionReadOnly = "read_only"
	ActionStepUp   = "step_up"
	ActionRevoke   = "revoke"
	ActionBlock    = "block"
)

// Authorities: who may write a key of vigil.verdicts.
const (
	AuthoritySubject  = "subject"
	AuthorityFacet    = "facet"
	AuthorityOperator = "operator"
	AuthorityFeed     = "feed"
)

// Kinds of target. The subject stage judges the first three, the facet stage the others.
const (
	TargetSession = "session"
	TargetSubject = "subject"
	TargetToken   = "token"
	TargetDevice  = "device"
	TargetClient  = "client"
	TargetAddress = "address"
	TargetPrefix  = "prefix"
	TargetAccount = "account"
	TargetJA4     = "ja4"
	TargetRoute   = "route"
)

// Strength is the place of an action on the ladder, 0 for observe; -1 for an
// action that this version does not know.
func Strength(action string) int {
	switch action { // Asked many times for each event: a search through a list takes longer.
	case ActionObserve:
		return 0
	case ActionThrottle:
		return 1
	case ActionReadOnly:
		return 2
	case ActionStepUp:
		return 3
	case ActionRevoke:
		return 4
	case ActionBlock:
		return 5
	}
	return -1
}

// TargetKinds lists every kind of target, narrowest first.
func TargetKinds() []string {
	return []string{
		TargetToken, TargetSession, TargetDevice, TargetSubject, TargetClient,
		TargetAccount, TargetAddress, TargetPrefix, TargetJA4, TargetRoute,
	}
}

// Suspends reports whether an action ends what is open now.
func Suspends(action string) bool { return Strength(action) >= Strength(ActionStepUp) }

// Later reports whether (epoch, seq) comes after (epoch2, seq2).
func Later(epoch, seq, epoch2, seq2 uint64) bool {
	return epoch > epoch2 || epoch == epoch2 && seq > seq2
}

// JA4In is the id of a target of kind [TargetJA4] that holds within one
// autonomous system only; the JA4 alone is the id of one that holds everywhere.
func JA4In(ja4 string, asn uint32) string {
	return ja4 + "@AS" + strconv.FormatUint(uint64(asn), 10)
}
