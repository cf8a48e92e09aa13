// Package broker runs Kafka without an installation: an embedded cluster that
// speaks the protocol from memory or a directory, and Apache Kafka itself as a
// child process for the tests that have to be sure.
//
//	vigil up, tests --Start--> kfake on 127.0.0.1 --> every kafka-go client
//	tests --Apache.Start--> java kafka.Kafka --> every kafka-go client
//
// # Contract
//
// Start on a directory and port that an earlier Start used goes on where that
// one stopped: topics, records and committed offsets are there. With a
// directory every batch is written before it is acknowledged, so a killed
// process loses nothing that was acknowledged; a power loss may take what the
// system had not put on the disk yet, as with Apache Kafka's own defaults.
//
// # Concurrency
//
// A [Broker] is safe for concurrent use. An [Apache] is driven by one
// goroutine.
//
// # Non-obvious
//
// The embedded cluster does everything in one goroutine. Syncing there (two
// files per batch, about 1.5 ms each) lets it take some 350 batches a second for
// all topics together, and every verdict stands in that queue.
//
// The embedded cluster gives a group's member its session timer with the answer
// to its join. A member whose process dies while it waits for that answer gets
// none, counts as alive for ever and keeps its share of the partitions. Apache
// Kafka does not do that, so what kills members at random is tested there.
//
// Apache Kafka dies with the process that started it (parent-death signal of
// the starting thread, so Start keeps its thread alive until the child ends).
// A broker that was killed comes back only after its session has lapsed; the
// session is short here for that reason.
package broker
