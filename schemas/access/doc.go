// Package access is how every process of Vigil reaches Kafka: over TLS or in
// plain text, as whom, and what it means when it is turned away.
//
//	kafka.tls, kafka.sasl ──► Config ──► Access ──► kafka.Transport, kafka.Dialer, net.Conn ──► brokers
//	                                        └── Explain: an error in words that name principal, operation and resource
//
// # Contract
//
// A configuration that says TLS never ends in plain text, and a password never
// goes over a connection in clear. Secrets come from files that not everybody on
// the machine can use, are read again for each connection, and stand in no error
// and no log.
//
// # Concurrency
//
// An [Access] is safe for concurrent use. Nil is one: plain text, as nobody.
//
// # Non-obvious
//
// What a principal may do is in [Grants]. A broker hides topics that somebody
// may not describe, so "unknown topic" can mean "not allowed".
//
// kafka-go does not authenticate again on a live connection: a broker with
// connections.max.reauth.ms closes it, and the next request opens another.
package access
