// Package upstream calls services over HTTP/1.1 without TLS, for requests
// without a body: most of what an API gateway forwards.
//
//	proxy ─► Client.RoundTrip ─► a connection of the pool ─► service
//	      ◄─ response, whose body is read by the caller ◄─┘
//
// It exists for what a request costs: net/http.Transport has two goroutines for
// each connection and passes every request and response through both, which
// takes as long as all checks of the gateway together. Here the caller's
// goroutine writes the request, reads the header and then the body.
//
// # Contract
//
// [Client.Takes] says which requests it is for; all others are
// net/http.Transport's: those with a body, which may be answered before it has
// been sent, upgrades, TLS and HTTP/2.
//
// Responses are read strictly (RFC 9112), because a connection is shared by all
// clients of the gateway, and a response must never be taken for another's: one
// with both Content-Length and Transfer-Encoding, with two lengths, with a
// folded header line or with a header that has no name ends the connection and
// is an error. A connection goes back to the pool only when the body was read to
// its end and nothing has come behind it; it is looked at again before it is
// used, and one on which anything has arrived meanwhile, or that was closed, is
// thrown away.
//
// A request is sent a second time only where a connection of the pool ended
// before the first byte of an answer and the method is safe (RFC 9110, section
// 9.2.1), and then on a new connection.
//
// # Concurrency
//
// A Client is safe for concurrent use. A response's body belongs to one
// goroutine. When the request's context ends, a deadline that has gone by ends
// the read or write that is under way; the connection is then closed. A context that has
// a method AfterEnd, which is called as [context.AfterFunc] is, is asked by that.
//
// # Non-obvious
//
// The end of a context and a new deadline race: whoever sets or clears a
// deadline must look at the context afterwards, else it would wait for what
// nobody wants any more.
//
// A response without a body whose header announces one, as to HEAD, ends the
// connection's use: a service that sends the body all the same, and late, would
// have it read as the answer to the next request, which is another client's.
//
// Error texts have the words of net/http where a caller tells them apart by
// these.
package upstream
