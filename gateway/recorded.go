//go:build !unrecorded

package gateway

// recorded says that every request's event is emitted. A build with the tag
// unrecorded has it false: "make bench-gateway" measures with it what events
// cost. It is a tag and no setting, so that no gateway in service can be told to
// keep no record.
const recorded = true
