// Package listen accepts connections and hands well-formed requests on.
//
//	TCP ──► connection caps ──► PROXY protocol ──► TLS ──► net/http (HTTP/1.1, HTTP/2) ──► strict ──► handler
//
// # Contract
//
// Malformed framing is answered with 400 and the end of the connection before
// any handler runs, so it never counts against an upstream, yields no event and
// is counted here. A PROXY header is taken from trusted peers only; from anybody
// else it ends the connection.
// A connection beyond what its address may have (gateway/guard) is closed at once; one
// that a trusted balancer relays counts for the client that its PROXY header names,
// once that has been read.
// [Listener.Serve] returns after the drain: no new connection, requests in
// flight get the drain time, what is left is closed.
//
// # Concurrency
//
// One goroutine per connection, as net/http has it.
//
// # Non-obvious
//
// http.Server's ReadTimeout and WriteTimeout bound a whole request and would
// end every long stream, so both are zero on purpose. In their place: the
// header has its own timeout; an HTTP/1 request body must keep moving
// (BodyIdleTimeout); an HTTP/2 connection must answer pings and take bytes;
// what is left, a client that does not read its answer, is the proxy's to
// bound, who knows what kind of stream it serves.
//
// The JA4 of a connection's hello is of the hello alone: a client that resumes a
// session names the session's key in it, and thereby has a second fingerprint.
//
// Where client certificates are asked for, TLS tickets are off: a ticket would
// carry a certificate past a trust bundle that no longer trusts it. Connections
// that are open when the bundle changes stay.
//
// net/http reads the rest of a request's body before it sends an answer that is
// still buffered, for as long as the client likes. After the handler it has half a
// second for that, so that a client which sends slowly learns that it was refused.
//
// A WebSocket over HTTP/2 is an extended CONNECT (RFC 8441). net/http takes one only
// where the environment's GODEBUG says http2xconnect=1, which package xconnect sees
// to; handlers meet it as the GET that it stands for. CONNECT itself is refused.
//
// http.Server.Shutdown does not know hijacked connections: whoever hijacks ends
// them from the drain hook.
//
// net/http hides some framing from handlers: a Content-Length beside a chunked
// body is dropped, bare line feeds and folded headers are accepted. The head
// that goes to the upstream is therefore always written anew from the parsed
// form, never copied.
package listen
