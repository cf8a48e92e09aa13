// Package deadletter defines what topic vigil.dead keeps of a record that
// could not be read.
//
//	vigil.requests, vigil.verdicts, … --cannot be read--> Letter --> vigil.dead --> people
//
// # Contract
//
// A letter is one JSON object: where the record stood, who could not read it
// and why, and the record itself as far as ValueMax. Its key is topic,
// partition, reader, offset and the topic's id, so that the same record met again after a
// crash is the same letter.
//
// # Non-obvious
//
// Two readers follow vigil.requests, scoring and storing, and each answers for
// itself: one unreadable request leaves two letters, with different stages.
package deadletter
