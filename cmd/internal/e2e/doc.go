// Package e2e tests the product as its users run it: the built binaries, real
// brokers, a real SQL engine and real clients, over loopback sockets.
//
//	client ─► vigil-gateway ─► Kafka ─► vigil-analyzer ─► Kafka ─► vigil-gateway ✂ client
//
// # Contract
//
// What is counted is counted by somebody else: requests by the client's and the
// upstream's ledgers, rows by ClickHouse, cuts by the victim's own client.
// Every random choice comes from a seed that a failure prints.
//
// # Non-obvious
//
// The tests live behind build tag e2e because they take minutes and need the
// engines of "make engines"; "make test" runs them, and a missing engine fails.
package e2e
