// Package streams measures what open streams cost one gateway, and how fast it
// ends a part of them: "make bench-streams".
//
//	clients (this process) ──HTTP/2, WebSocket──► vigil-gateway (its own process) ──► upstream (this process)
//	verdict ──admin port──► vigil-gateway ✂ 1,000 of them
//
// # Contract
//
// The gateway is the shipped binary with its default configuration but for
// addresses, keys, routes and the budgets of an address, since all clients have one,
// and emits its events to an embedded Kafka. Every
// stream has a session and a token of its own. Bytes for each stream are the
// growth of the gateway's resident memory, which holds the garbage too that its
// collector lets stand; beside them stand those of its heap and of its stacks.
//
// # Non-obvious
//
// STREAMS_GOGC is the gateway's GOGC. Unset, the gateway adapts it (cmd/internal/garbage),
// and gives back what the opening has left behind before the memory is read. At Go's
// own 100 as much garbage may stand as there is heap.
//
// Clients and upstream share this process and the machine's cores with the
// gateway, so the times of a cut hold their share too.
package streams
