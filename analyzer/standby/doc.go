// Package standby keeps an analyzer's own disk up to date with the state of
// partitions that others work on, so that it can take any of them over without
// asking anybody.
//
//	owner --Put--> archive --[Keeper], paced--> partition-N.state --Find--> ingest, when the owner is gone
//
// # Contract
//
// A copy is an ordinary state file (package state): whole and checked before it is
// found, never older than the one before it, and two are kept. Nothing of it is in
// memory until the partition is taken over. What fails leaves the copies as they
// were, is counted by cause and is tried again; a snapshot that the archive has
// damaged is read once. A partition that is worked on in this process is left alone.
//
// Copies are as old as the archive's snapshots, state.archive_every, and
// standby.every besides. What has come since is scored again from the topic by whoever
// takes over; [Keeper.Current] says that the archive would not shorten that.
//
// Who is a standby gets partitions only as package assign divides them. It takes over
// as any owner does: with an epoch above all that are announced, by which whoever had
// the partition is fenced.
//
// # Concurrency
//
// [Keeper.Run] is called once; one copy is made at a time. All methods are safe
// beside it.
//
// # Non-obvious
//
// An archive that does not answer ends a round, and the next one begins with the
// next partition: one that cannot be read keeps no other from being looked at.
//
// The bound on bytes holds while a copy is being made, when there are three files of
// its partition. Cold stores do not count: a copy has none.
package standby
