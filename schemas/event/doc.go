// Package event defines what a gateway saw: the one message from which
// everything else in Vigil is derived.
//
//	gateway/emit --RequestEvent--> topic "vigil.requests" --> analyzer/ingest, analyzer/store
//
// # Contract
//
// A request that has finished is one event of phase complete; one that lasts
// is an open, any number of ticks and exactly one close. Accounting counts
// complete and close, so one request is one row of that kind. Within (gateway,
// epoch, lane) the sequence number is dense: [Positions] tells a duplicate from
// a gap with one integer per lane.
//
// Every field but time is optional. An absent field is missing evidence. Old
// events decode for ever; unknown fields are kept by protobuf and ignored in
// JSON. [Decode] refuses what is larger or deeper than limits.go says, so that
// a poison record costs a bounded amount.
//
// # Concurrency
//
// All functions are safe for concurrent use; [Positions] and
// [Decoder] are not.
//
// # Non-obvious
//
// Names on the wire are pseudonyms: [Names] keeps the tenant key. Two spellings
// of one token are one session because the hash covers claims, never raw bytes.
//
// The canonical JSON has a reader of its own, which gives up at whatever
// encoding/json would read another way; a fuzz target compares the two. A Go map
// puts the new key's text in place of the old one when it is written to, so
// [Positions] writes through a pointer.
package event
