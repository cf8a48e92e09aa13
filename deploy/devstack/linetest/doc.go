// Package linetest puts a bad line in front of a server: one that is slow, that
// loses answers, or that is dead without saying so.
//
//	client --Dial--> Line, with what is wrong with it --> server
//
// # Contract
//
// Whatever address a client wants, the line leads to its one server: brokers name
// their own address to clients, which would otherwise go past it. A connection on
// which something was lost never carries anything again, and ends with [Line.Heal].
//
// # Concurrency
//
// A [Line] is safe for concurrent use. It ends with its test, and no goroutine of it
// is left then.
package linetest
