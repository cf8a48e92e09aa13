// Package topic is the list of Vigil's Kafka topics as data: names, keys,
// partitions, retention, and the function from a key to its lane and partition.
//
// # Contract
//
// vigil.requests, vigil.assessments and vigil.verdicts have the same number of
// partitions: what is judged from requests partition n is written to partition
// n of the other two. A record's partition is a function of its lane, and its
// lane of its key, so one partition sees each lane whole and in order.
//
// # Non-obvious
//
// The lane hash is seeded by the installation, so that nobody outside can
// choose keys that pile onto one partition.
package topic
