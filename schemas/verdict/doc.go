// Package verdict defines the message by which the analyzer, or an operator,
// tells every gateway to stop trusting somebody, and the receipt that comes back.
//
//	analyzer/announce --signed Verdict, Heartbeat--> topic "vigil.verdicts" --> gateway/revoke
//	gateway/session   --Enforcement--> topic "vigil.enforcements" --> analyzer/store
//
// # Contract
//
// On the wire a verdict is a JWS in compact form, Ed25519, whose payload is the
// exact protobuf bytes; it is verified before it is decoded. The header's typ
// tells a verdict from a heartbeat, so that one never passes for the other.
// A key has a class: an analyzer's key signs for the authorities subject and
// facet, an operator's for operator, a feed's for feed. Gateways know the keys
// from a key set signed by an offline root. Each has a time in which what it signs is
// believed; what it signed then and somebody keeps is believed for as long as the key
// is listed. Key sets have versions that only grow, over rotations of the root, too.
//
// Verdicts for one target and authority are ordered by (epoch, seq); the value
// is the complete folded state. Among authorities the strongest action wins. A
// verdict of an operator may carry clears, which void what other authorities
// said up to an (epoch, seq): that is how a restore works.
//
// # Non-obvious
//
// Until is absolute, not a duration, so that a gateway that was down for an
// hour does not extend a ban that has already lapsed.
package verdict
