// Package proxy forwards an admitted request and ends it, in the middle of
// whatever it is doing, when its visit is cut.
//
//	client ──► header (strip, set) ──► body (count) ──► http.Transport ──► upstream
//	client ◄── goodbye │ relay │ tunnel ◄──────────────────┘
//	                └── context.Cause = *session.Cut
//
// # Contract
//
// The request's context is the kill switch. When it ends with a *session.Cut,
// the upstream request is cancelled, no further byte of the upstream reaches the
// client, and the client is told why in the words of its protocol: a problem
// body where no header has been sent, a WebSocket close frame 1008, a last event
// on an SSE stream, UNAUTHENTICATED in gRPC's trailers. With it goes, where the
// protocol has a place for it, when the client may come back: Retry-After, the
// stream's retry field, grpc-retry-pushback-ms, the close reason's last words. A
// download is broken off in a way that no client takes for its end: the HTTP/1.1
// connection is closed before the body is complete, the HTTP/2 stream is reset.
//
// A response that is held back (Call.Hold) has had its header read and nothing else;
// its upstream waits behind a full buffer. What ends it then is told as if the
// upstream had not answered yet.
//
// A stream whose Observer.Ends has come is cut too, on the timer that reports its
// progress: no stream has a timer for it alone.
//
// A client that does not read cannot delay a cut: what it has blocked gets a
// deadline.
//
// What is the client's fault is never the upstream's: a malformed body is
// status 400, whatever the upstream said about it.
//
// # Concurrency
//
// Exchanges share one timer until they are known to last (see young), and an exchange
// tells its upstream itself that its context has ended (see watched): for most requests
// timer and context would cost more than what they guard.
//
// A Proxy is safe for concurrent use. Serve runs in the handler's goroutine. A
// connection of HTTP/1.1 that was upgraded has two of its own, and with Call.Detach its
// handler returns; a WebSocket over HTTP/2 has one beside its handler's. Observer is called under a mutex, in order,
// and never after Serve has returned.
//
// # Non-obvious
//
// A WebSocket close frame may stand only between two frames, so the direction
// to the client is parsed: frames that fit the buffer are passed on whole, and
// of a larger one that is on its way the rest is awaited for a moment.
//
// An SSE client dispatches whatever stands before a blank line, so half an event
// is given a name that nobody listens to before it is ended.
//
// A WebSocket over HTTP/2 (RFC 8441) comes as the request that would open it over
// HTTP/1.1; the listener has turned it round. Its upstream is asked over HTTP/1.1
// with a key of the gateway's, and its stream ends when the handler returns, so
// both directions are waited for.
//
// An idle stream is a stack and little else: what a frame needs before it blocks for
// hours is in functions that have returned, headers are let go of once they are sent,
// and buffers are small until more moves. A stream of an HTTP/2 upstream has none while
// it is idle: net/http waits in a read of nothing. Were it not to, the next read would
// wait in its place, with a buffer.
//
// Headers that change the method or the path behind our back are stripped too:
// a read-only session would write through X-HTTP-Method-Override.
//
// A deadline on the reading side of an HTTP/1.1 connection cancels the
// request's context from inside net/http; it is set only where the body is
// unfinished and the connection is lost anyway.
//
// http.Transport returns from a cancelled RoundTrip only when its read of the
// request's body has returned, so that read has to be ended too, or a client that
// stalls its upload would delay its own cut.
package proxy
