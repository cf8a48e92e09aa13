// Package bus is how the gateway talks to Kafka.
//
//	gateway/emit, gateway/revoke ──► Client ──► kafka-go ──► brokers
//	                                    └── Backoff between attempts
//
// # Contract
//
// A client connects when it is first used. After Close it has no connection
// left, not one that is in use or still being made, and gets no other.
//
// # Concurrency
//
// A [Client] is safe for concurrent use. A [Backoff] belongs to one goroutine.
//
// # Non-obvious
//
// kafka-go's transport closes only idle connections: one that waits in a long
// poll would outlive the gateway by as long as the broker holds it.
package bus
