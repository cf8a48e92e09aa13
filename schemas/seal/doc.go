// Package seal defines how a gateway signs what it writes to vigil.requests, so
// that every record there has a producer who can be named.
//
//	gateway/emit --Signer.Draft--> batches --Signer.Sign--> round of batches, each with its
//	header "vigil-seal" on its first record --> topic "vigil.requests"
//	topic --Collector--> batches --Book.Judge--> joined, or refused with a Cause --> analyzer/ingest, analyzer/store, analyzer/verify
//
// # Contract
//
// A batch is what one produce request of one gateway holds: records that stand
// one behind the other in one partition and bear the same ce_source. Its first
// record bears the seal, which says how many records follow it into the batch.
// The others bear nothing, so that an event pays for its share of one hash and of
// one signature, and for no byte of its own.
//
// A round is what one signature is of: the batches of several partitions that are sent
// in one produce request, at most [RoundMax]. Their hashes are the leaves of a Merkle
// tree, the signature is of its root, and each batch bears the signature and the hashes
// that lead from it to the root, so that it is verified without any other batch of the
// round. A signature costs as much as hashing 40 events; a reader remembers
// which roots are good ([Roots]) and verifies each once.
//
// A round says only who has written a batch. Everything else is of the batch alone and is
// in its hash: the partition, the chain, the number. So a batch that is withheld, moved,
// repeated or put in another order is found by its chain, whatever becomes of the others,
// and of others it shows hashes that nobody can turn back.
//
// The hash of a batch is SHA-256 over the partition, the gateway's id, the epoch of
// the life that sends (not of the events: a life delivers what earlier ones left),
// the batch's number in that life and partition, the time of the seal, the number
// of records, the hash of the batch before, and of each record its key, its value
// and those headers that a reader uses. The signature is Ed25519 over the root, for a batch alone over
// its hash.
// Numbers begin with 1, and the hash before the first batch is zero, in each life
// and partition: a restart begins a chain and names its life.
//
// A batch that is sent again is the same to the byte. One that may have been
// stored keeps its number for ever: what is put together anew gets the next one.
// It keeps its signature as well, also where the others of its round are sent no more.
// So a chain never forks, and a number that is missing was never stored or was
// taken away.
//
// A reader refuses whole batches, each for one [Cause]. What it accepts is
// authentic; whether it is new is said by the lanes' numbers ([event.Positions]),
// so a batch that is there twice has no effect. A batch that is missing is told as
// such and refuses nothing behind it: its numbers are missing in the lanes, which
// is a loss that is counted. One that comes after its successor is refused, since
// its numbers count as lost by then.
//
// A key speaks for one gateway. Where a key set lists a key for a gateway, nothing
// without a seal is believed in its name, whatever the [Policy] for others is. By
// default that policy is [Auto]: as soon as any key is listed for any gateway, nothing
// without a seal is believed at all, since whoever may write to the topic could invent
// gateways. [Mark] is for the time between the first
// gateway's key and the last one's: what is not proven is scored for half of what it says
// and never taught, confirms nobody, and keeps its session from teaching. Once
// a batch of a newer key has been accepted, older keys of the gateway are retired.
//
// Layout of the header, numbers big-endian:
//
//	version 1 | count 4 | epoch 8 | number 8 | time 8 (ns) | previous 32 | signature 64 | path | kid 1–64
//	path, version 2 alone: sides 2 | levels 1 | levels × 32
//
// Version 1 is a batch that was signed alone: the signature is of its hash. Version 2 is
// one of a round of several: the signature is of the root. Bit n of sides says that the
// hash of level n, from the lowest on, stands before. Both are written and read; a chain
// may change between them at any batch. Readers of a version that knew no rounds take
// version 2 for no seal and refuse what bears it, so analyzers come before gateways;
// those of a version that knew no seals read the records.
//
// # Concurrency
//
// A [Signer] and [Roots] are safe for concurrent use. A [Chain], a [Collector] and a [Book]
// belong to one partition and one goroutine.
//
// # Non-obvious
//
// What is remembered of a root is the key and the signature as well: what is believed
// must not depend on what came before, so that every reader finds the same.
//
// The partition is signed, because another partition has other lanes: there a
// batch that is repeated would be new.
//
// The seal stands on the first record and not on the last: a reader that meets a
// record without one knows at once that nothing is to be waited for, and a stranger
// who claims a batch without end is found out by the next seal.
//
// Epochs are clocks and may go back when a clock was corrected, so an epoch that is
// lower than one before it is another life and not a replay. But it may be one that is
// played back from before our time, too, so it is not told which of its batches are
// missing, and it does not push out a later life that is known.
package seal
