// Package devstack runs a whole installation in one process, on the embedded
// engines: "vigil up", and underneath "vigil demo".
//
//	lock ─► keys ─► broker ─► topics ─► olap ─► migrations ─► analyzer ─► gateway ─► run.json
//	                (idp, upstream where no others are named)            stop: the same, backwards
//
// # Contract
//
// Gateway and analyzer meet only over Kafka sockets, as in production. A
// directory belongs to one process at a time. What [Start] made at the first
// start (keys, secrets, ports, data) is used again at the next; a port that
// somebody else has taken meanwhile is replaced. [Stack.Stop] ends the parts in
// reverse order, each after the one that feeds it has flushed, so that every
// request served is in ClickHouse when it returns, or its events are in Kafka
// and will be after the next start.
//
// # Concurrency
//
// Each part runs in its own goroutine; Stop waits for all. Methods are safe for
// concurrent use.
//
// # Non-obvious
//
// libchdb allows one data directory per process and never lets go of it: a
// second Stack in one process must use the same directory.
package devstack
