package guard

import (
	"time"
)

// Level is something that an address holds for a while.
type Level int

// What an address may hold at once.
const (
	Connections Level = iota
	Requests
	Introspections
	SignInCalls

	levels
)

// Rate is something that an address does.
type Rate int

// What an address may do in a time.
const (
	Handshakes Rate = iota
	Resets
	Failures
	SignIns
	Logouts

	rates
)

// Names of the budgets, as metrics, the log and clients have them.
const (
	NameConnections    = "connections"
	NameRequests       = "requests"
	NameIntrospections = "introspections"
	NameSignInCalls    = "sign_in_calls"
	NameHandshakes     = "handshakes"
	NameResets         = "resets"
	NameFailures       = "failures"
	NameSignIns        = "sign_ins"
	NameLogouts        = "logouts"
)

// name of a budget: levels first, then rates.
func name(budget int) string {
	return [...]string{
		NameConnections, NameRequests, NameIntrospections, NameSignInCalls,
		NameHandshakes, NameResets, NameFailures, NameSignIns, NameLogouts,
	}[budget]
}

// Error says that an address has used up one of its budgets.
type Error struct {
	Budget string        // A constant Name….
	Wait   time.Duration // How long until there is room by time alone; 0 where time does not tell.
}

// Error names the budget.
func (e *Error) Error() string { return "the address has used up its budget of " + e.Budget }

// bucket is an allowance as the generic cell rate algorithm (ITU-T I.371) has it.
type bucket struct {
	every time.Duration // Between two.
	burst time.Duration // What a full bucket is worth; 0 for no limit.
}

func newBucket(a Allowance) bucket {
	if a.PerMinute == 0 {
		return bucket{}
	}
	every := max(time.Minute/time.Duration(a.PerMinute), 1)
	return bucket{every: every, burst: every * time.Duration(a.Burst)}
}

// take is when the bucket is full again once one has been taken, and how long one
// would have to wait for that: at most 0 where one is there. Times are in Unix
// nanoseconds. Nobody owes more than a full bucket: who seems to was counted before
// the clock was turned back, and begins anew, else he would wait until it has come
// round again.
func (b bucket) take(full, now int64) (next int64, wait time.Duration) {
	if full-now > int64(b.burst) {
		full = now
	}
	next = max(full, now) + int64(b.every)
	return next, time.Duration(next-now) - b.burst
}
