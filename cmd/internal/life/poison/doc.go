// Package poison attacks what the scorer learns, with and without each defence.
//
//	life.World ──┐
//	             ├─► one scorer.Engine per variant of the model ─► what each still says at the goal
//	adversary ───┘
//
// # Contract
//
// An adversary prepares: for days he shows the scorer what he wants it to take
// for normal. Then comes his goal, the requests that he does it all for. The
// figure is the most that these are suspected of, in nats, and the action that
// this supports: by the model that ships, by the same with one defence of its
// learning section turned off at a time, by one with none, and, for comparison,
// by the model that ships if the goal comes unprepared. A defence earns its
// place where the figure falls without it.
//
// The innocent storms are the other side: a new browser, a new GeoIP file and a
// new release of the application reach everybody at once, and the figure is how
// many honest people are asked to step up.
//
// Lives are those of package life, so everything follows from the seed.
//
// # Concurrency
//
// [Run] is one loop; runs share nothing.
//
// # Non-obvious
//
// Nobody is cut off here: an adversary who is caught while he prepares would
// have ended there, and the table says so with an asterisk.
package poison
