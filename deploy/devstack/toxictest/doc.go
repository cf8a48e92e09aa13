// Package toxictest puts a bad line in front of a server: one that is slow, that
// loses answers, or that is dead without saying so.
//
//	client --Dial--> toxiproxy, with toxics --> server
//
// # Contract
//
// Whatever address a client wants, the line leads to its one server: brokers name
// their own address to clients, which would otherwise go past it.
//
// # Concurrency
//
// A [Line] is safe for concurrent use. It ends with its test.
package toxictest
